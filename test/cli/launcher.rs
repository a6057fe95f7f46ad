//! `cli.sh`: from any folder, through a link, and where the program has not been built.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
};

use crate::common::{Person, Said, resource};

/// A copy of the resource as a checkout has it, without a program, in the person's home.
fn checkout(person: &Person) -> PathBuf {
    let folder = person.home.path().join("matrix-synapse");
    for name in ["cli.sh", "lib/core.sh", "lib/help.txt", "lib/test.sh", "config/runtime.json"] {
        let copy = folder.join(name);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(resource().join(name), copy).unwrap();
    }
    folder
}

/// The same with a stand-in for the program, which says how it was called.
fn built(person: &Person) -> PathBuf {
    let folder = checkout(person);
    let program = folder.join("target/release/resource-matrix-synapse");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, "#!/bin/sh\necho \"$RMS_RESOURCE_DIR\" \"$@\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn types(person: &Person, program: &str, arguments: &str) -> Said {
    let mut command = person.command("bash");
    command.args(["-c", &format!("{program} {arguments}")]);
    person.said(&command.output().unwrap())
}

#[test]
fn it_becomes_the_program_from_any_folder() {
    let person = Person::new();
    let folder = built(&person);
    symlink(folder.join("cli.sh"), person.home.path().join("resource-matrix-synapse")).unwrap();
    let cli = folder.join("cli.sh");
    for program in [
        cli.to_str().unwrap(),
        "./resource-matrix-synapse",
        "matrix-synapse/cli.sh",
        "bash matrix-synapse/cli.sh",
        "cd matrix-synapse && bash cli.sh",
        "cd matrix-synapse && ./cli.sh",
        "PATH=$HOME:$PATH; resource-matrix-synapse",
    ] {
        let said = types(&person, program, "content send-message '#a' 'b  c'");
        let said = said.to_string();
        assert_eq!(said, "~/matrix-synapse content send-message #a b  c\n", "{program}");
    }
}

#[test]
fn without_a_program_it_helps() {
    let person = Person::new();
    checkout(&person);
    for arguments in ["", "help", "--help", "manage install --help", "content -h"] {
        let said = types(&person, "matrix-synapse/cli.sh", arguments);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{arguments}");
        assert!(said.stdout.contains("Default configuration:"), "{arguments}");
    }
    let said = types(&person, "matrix-synapse/cli.sh", "help --format json").json();
    let file = fs::read_to_string(resource().join("lib/help.txt")).unwrap();
    assert_eq!(said["help"], file);
}

#[test]
fn without_a_program_status_says_that_it_is_not_installed() {
    let person = Person::new();
    checkout(&person);
    let said = types(&person, "matrix-synapse/cli.sh", "status");
    assert!(said.stdout.contains("Installed: No"), "{said}");
    assert!(said.stdout.contains("Port: 8008"), "{said}");
    assert_eq!((said.code, said.stderr.as_str()), (Some(2), ""));
    for arguments in ["status --json", "status --format json --fast", "status --format=json"] {
        let said = types(&person, "matrix-synapse/cli.sh", arguments);
        assert_eq!(said.code, Some(2));
        let status = said.json();
        assert_eq!(status["name"], "matrix-synapse");
        assert_eq!(status["installed"], false);
        assert_eq!(status["running"], false);
        assert_eq!(status["healthy"], false);
        assert_eq!(status["port"], 8008);
    }
    let said = types(&person, "MATRIX_SYNAPSE_PORT=8123 matrix-synapse/cli.sh", "status --json");
    assert_eq!(said.json()["port"], 8123);
}

#[test]
fn without_a_program_status_knows_whether_it_is_enabled() {
    let person = Person::new();
    checkout(&person);
    let root = person.home.path().join("root");
    fs::create_dir_all(root.join(".vrooli")).unwrap();
    fs::write(
        root.join(".vrooli/service.json"),
        r#"{"dependencies":{"resources":{"n8n":{"enabled":false},"matrix-synapse": { "enabled": true }}}}"#,
    )
    .unwrap();
    let said = types(&person, "VROOLI_ROOT=$HOME/root matrix-synapse/cli.sh", "status --json");
    assert_eq!(said.json()["enabled"], true);
}

#[test]
fn without_a_program_everything_else_names_the_install() {
    let person = Person::new();
    checkout(&person);
    let said = types(&person, "matrix-synapse/cli.sh", "content list-users");
    assert_eq!(
        said.to_string(),
        "------- stderr -------\n\
         error: matrix-synapse is not installed\n\n\
         hint: `manage install` builds and installs it\n\
         [exit 1]"
    );
    let said = types(&person, "matrix-synapse/cli.sh", "content list-users --json");
    assert_eq!(said.json()["error"]["message"], "matrix-synapse is not installed");
    assert_eq!(said.code, Some(1));
}

#[test]
fn what_a_build_lacks_is_named_before_anything_is_made() {
    let person = Person::new();
    let folder = checkout(&person);
    let tools = person.home.path().join("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["bash", "cat", "readlink", "apt-get"] {
        symlink(format!("/usr/bin/{tool}"), tools.join(tool)).unwrap();
    }
    let said = types(&person, "PATH=$HOME/tools; matrix-synapse/cli.sh", "manage install");
    assert_eq!(said.code, Some(1), "{said}");
    assert!(
        said.stderr.contains("this machine lacks cargo, a C linker (cc), Python 3.10 or newer")
            && said.stderr.contains("apt-get install -y gcc libc6-dev python3 python3-venv"),
        "{said}"
    );
    let said = types(&person, "PATH=$HOME/tools; matrix-synapse/cli.sh", "install --json");
    assert_eq!(said.json()["error"]["kind"], "environment");
    assert!(!folder.join("target").exists());
}

#[test]
fn a_dry_run_builds_nothing() {
    let person = Person::new();
    let folder = checkout(&person);
    let said = types(&person, "matrix-synapse/cli.sh", "manage install --dry-run");
    assert_eq!(said.to_string(), "would build the program with cargo, then install it\n");
    assert!(!folder.join("target").exists());
}

/// With a stand-in for cargo that makes the stand-in for the program.
#[test]
fn only_install_and_test_build() {
    let person = Person::new();
    let folder = checkout(&person);
    let tools = person.home.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let cargo = tools.join("cargo");
    fs::write(
        &cargo,
        "#!/bin/sh\n\
         echo \"   Compiling a\" \"$@\" >&2\n\
         mkdir -p ~/matrix-synapse/target/release\n\
         printf '#!/bin/sh\\necho \"$@\"\\n' >~/matrix-synapse/target/release/resource-matrix-synapse\n\
         chmod +x ~/matrix-synapse/target/release/resource-matrix-synapse\n\
         echo built >>~/builds\n",
    )
    .unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let uv = tools.join("uv");
    fs::write(&uv, "#!/bin/sh\necho \"$@\" >>~/fetched\n").unwrap();
    fs::set_permissions(&uv, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.lock"), "").unwrap();
    let builds = || {
        fs::read_to_string(person.home.path().join("builds")).unwrap_or_default().lines().count()
    };
    let types =
        |arguments| types(&person, "PATH=$HOME/tools:$PATH matrix-synapse/cli.sh", arguments);
    types("logs");
    assert_eq!(builds(), 0);
    let said = types("manage install --start");
    assert_eq!(said.to_string(), "manage install --start\n");
    assert_eq!(builds(), 1);
    let log = fs::read_to_string(folder.join("target/build.log")).unwrap();
    assert!(log.contains("build --release --locked"), "{log}");
    // What it will install comes meanwhile.
    let fetched = || fs::read_to_string(person.home.path().join("fetched")).unwrap();
    assert!(fetched().contains("--require-hashes") && fetched().contains("python/synapse.lock"));
    types("install");
    types("test smoke");
    assert_eq!(builds(), 1);
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    fs::File::create(folder.join("src/new.rs")).unwrap().set_modified(later).unwrap();
    types("status");
    types("content send-message a install");
    assert_eq!(builds(), 1);
    types("test unit");
    assert_eq!(builds(), 2);
    assert_eq!(fetched().lines().count(), 1, "once is enough");
    fs::write(&cargo, "#!/bin/sh\necho 'error: no space left' >&2\nexit 101\n").unwrap();
    let said = types("manage install");
    assert_eq!(
        said.to_string(),
        "------- stderr -------\n\
         error: the program could not be built: error: no space left\n\n\
         hint: `less ~/matrix-synapse/target/build.log` shows all of cargo's output\n\
         [exit 1]"
    );
}

/// With a stand-in for cargo that makes stand-ins for both; the program says what it was told of the setting.
#[test]
fn what_keeps_keys_is_built_beside_unless_it_is_left_out() {
    let person = Person::new();
    let folder = checkout(&person);
    let home = person.home.path();
    let cargo = home.join("tools/cargo");
    fs::create_dir(home.join("tools")).unwrap();
    let stand_in = |words: &str| {
        let text = format!(
            "#!/bin/sh\n\
             cd ~/matrix-synapse/target\n\
             case \"$*\" in *crypto/Cargo.toml*) {words} at=crypto/release/resource-matrix-crypto ;;\n\
             *) at=release/resource-matrix-synapse ;; esac\n\
             mkdir -p \"${{at%/*}}\"\n\
             printf '#!/bin/sh\\ncase \"$*\" in *\"config show\"*) cat ~/wanted ;; esac\\n' >$at\n\
             chmod +x $at\n\
             echo \"${{at##*-}}\" >>~/builds\n"
        );
        fs::write(&cargo, text).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    };
    stand_in("");
    fs::create_dir_all(folder.join("crypto/src")).unwrap();
    let builds = |words: &str| {
        let said = types(
            &person,
            "PATH=$HOME/tools:$PATH matrix-synapse/cli.sh",
            &format!("manage install --offline . {words}"),
        );
        let builds = fs::read_to_string(home.join("builds")).unwrap_or_default();
        drop(fs::remove_file(home.join("builds")));
        let mut builds: Vec<String> = builds.lines().map(str::to_owned).collect();
        builds.sort();
        (builds.join(" "), said.to_string())
    };
    assert_eq!(builds("--without-encryption").0, "synapse");
    fs::write(home.join("wanted"), "false").unwrap();
    assert_eq!(builds("").0, "", "the setting is remembered");
    fs::write(home.join("wanted"), "true").unwrap();
    assert_eq!(builds("").0, "crypto");
    let beside = folder.join("target/release/resource-matrix-crypto");
    assert!(beside.is_file());
    assert_eq!(builds("").0, "");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    fs::File::create(folder.join("crypto/src/new.rs")).unwrap().set_modified(later).unwrap();
    stand_in("echo 'error: no space left' >&2; exit 101;");
    assert_eq!(
        builds("").1,
        "------- stderr -------\n\
         error: the program that keeps the keys of encrypted rooms could not be built: error: no space left\n\n\
         hint: `less ~/matrix-synapse/target/build-crypto.log` shows all of cargo's output; \
         `manage install --without-encryption` leaves it out\n\
         [exit 1]"
    );
    assert!(beside.is_file(), "what was there stays");
    fs::remove_dir_all(folder.join("target")).unwrap();
    stand_in("");
    assert_eq!(builds("").0, "crypto synapse");
}

#[test]
fn it_has_the_words_that_the_validators_look_for() {
    let text = fs::read_to_string(resource().join("cli.sh")).unwrap();
    for word in ["help", "status", "logs", "content", "test", "manage"] {
        assert!(text.contains(&format!("cli::register_command \"{word}\"")), "{word}");
    }
    assert!(!text.contains("main()"));
    // What is sourced is not run by itself.
    let sourced = ["lib", "config"].into_iter().flat_map(|folder| {
        fs::read_dir(resource().join(folder)).unwrap().map(|entry| entry.unwrap().path())
    });
    let sourced = sourced.filter(|path| path.extension().is_some_and(|it| it == "sh"));
    let run =
        ["cli.sh", "test/run-tests.sh", ".ci/run", ".ci/dist"].map(|name| resource().join(name));
    let files = sourced.map(|path| (path, 0o644)).chain(run.map(|path| (path, 0o755)));
    for (file, mode) in files {
        let name = file.display();
        let found = fs::metadata(&file).unwrap().permissions().mode() & 0o755;
        assert_eq!(found, mode, "{name}");
        let status = std::process::Command::new("bash").arg("-n").arg(&file).status().unwrap();
        assert!(status.success(), "{name}");
    }
}
