//! The services as files for others to keep, where nothing is installed.

use std::{fs, path::Path};

use crate::common::Person;

fn names(folder: &Path) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_second_render_changes_nothing_and_what_a_person_changed_stays() {
    let person = Person::new().settings("server: {name: example.org}\nstack: {profile: isms}\n");
    let folder = person.home.path().join("units");
    let render = format!("manage render --target systemd --out {}", folder.display());
    let said = person.types(&render);
    assert_eq!(said.code, Some(0), "{said}");
    let written = names(&folder);
    for name in ["matrix-synapse.target", "matrix-synapse-proxy.service"] {
        assert!(written.iter().any(|it| it == name), "{written:?}");
    }
    let text = fs::read_to_string(folder.join("matrix-synapse-synapse.service")).unwrap();
    let said = person.types(&render);
    assert_eq!(said.code, Some(2), "{said}");
    assert_eq!(names(&folder), written);
    let unit = folder.join("matrix-synapse-synapse.service");
    assert_eq!(fs::read_to_string(&unit).unwrap(), text);

    // Another profile takes away what it does not have, and not what a person made.
    fs::write(folder.join("matrix-synapse-mine.service"), "[Service]\n").unwrap();
    let other = format!("--set stack.profile=core {render}");
    let said = person.types(&format!("{other} --diff"));
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains("-Description=Matrix homeserver example.org: nginx"), "{said}");
    assert_eq!(names(&folder).len(), written.len() + 1);
    assert_eq!(person.types(&other).code, Some(0));
    let left = names(&folder);
    assert!(!left.iter().any(|it| it == "matrix-synapse-proxy.service"), "{left:?}");
    assert!(left.iter().any(|it| it == "matrix-synapse-mine.service"), "{left:?}");

    let mine = fs::read_to_string(&unit).unwrap() + "Nice=5\n";
    fs::write(&unit, &mine).unwrap();
    let said = person.types(&format!("--set server.name=example.net {render}"));
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("was changed by hand since it was written"), "{said}");
    assert!(said.stderr.contains("own.conf"), "{said}");
    assert_eq!(fs::read_to_string(&unit).unwrap(), mine);
    assert_eq!(person.types(&format!("{render} --force")).code, Some(0));
    assert!(!fs::read_to_string(&unit).unwrap().contains("Nice=5"));
}

#[test]
fn two_homeservers_share_a_folder_and_keep_what_is_theirs() {
    let person = Person::new();
    let home = person.home.path().display();
    let folder = person.home.path().join("shared");
    for target in ["systemd", "quadlet"] {
        let render = |data: &str| {
            let out = folder.display();
            person.types(&format!(
                "--data-dir {home}/{data} manage render --target {target} --out {out}"
            ))
        };
        assert_eq!(render("one").code, Some(0));
        let first = names(&folder);
        let said = render("one-more");
        assert_eq!(said.code, Some(0), "{said}");
        let both = names(&folder);
        assert!(first.iter().all(|name| both.contains(name)), "{both:?}");
        let said = render("one");
        assert_eq!(said.code, Some(2), "{said}");
        assert_eq!(names(&folder), both);
        // Another data folder of the same name would have the same units.
        let said = render("other/one");
        assert_eq!(said.code, Some(1), "{said}");
        assert!(said.stderr.contains("is of the homeserver in"), "{said}");
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn what_is_printed_is_what_would_be_written() {
    let person = Person::new();
    let said = person.types("manage render --target systemd --json");
    assert_eq!(said.code, Some(0), "{said}");
    let answer: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let files = answer["files"].as_array().unwrap();
    assert_eq!(answer["total"], files.len());
    let folder = person.home.path().join("units");
    person.types(&format!("manage render --target systemd --out {}", folder.display()));
    for file in files {
        let path = folder.join(file["name"].as_str().unwrap());
        let text = fs::read_to_string(path).unwrap();
        let home = person.home.path().to_str().unwrap();
        assert_eq!(file["text"], text.replace(home, "~"));
    }
}

#[test]
fn the_file_for_compose_has_each_profile_and_no_secret() {
    let person = Person::new()
        .settings("server: {name: example.org}\nstack: {profile: scale}\n")
        .with("MATRIX_SYNAPSE_DB_PASSWORD", "hunter2222");
    let folder = person.home.path().join("stack");
    let render = format!("manage render --target compose --out {}", folder.display());
    assert_eq!(person.types(&render).code, Some(0));
    assert_eq!(person.types(&render).code, Some(2));
    let text = fs::read_to_string(folder.join("compose.yaml")).unwrap();
    assert!(!text.contains("hunter2222"));
    for words in ["    - scale\n", "condition: service_healthy", "cap_drop:", "read_only: true"] {
        assert!(text.contains(words), "{words}");
    }
    let env = fs::read_to_string(folder.join(".env")).unwrap();
    assert!(env.ends_with("\nCOMPOSE_PROFILES=scale\n"), "{env}");
    for name in ["image/Containerfile", "image/resource-matrix-synapse"] {
        assert!(folder.join(name).exists(), "{name}");
    }
    fs::write(folder.join("compose.yaml"), text + "# mine\n").unwrap();
    let said = person.types(&format!("--set server.port=8118 {render}"));
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("was changed by hand"), "{said}");
}

#[test]
fn podman_gets_a_pod_and_the_containers_of_the_profile() {
    let person = Person::new().settings("server: {name: example.org}\nstack: {profile: isms}\n");
    let folder = person.home.path().join("quadlets");
    let render = format!("manage render --target quadlet --out {}", folder.display());
    assert_eq!(person.types(&render).code, Some(0));
    assert_eq!(person.types(&render).code, Some(2));
    let pod = fs::read_to_string(folder.join("matrix-synapse.pod")).unwrap();
    assert!(pod.contains("PublishPort=127.0.0.1:8008:8008\n"), "{pod}");
    let text = fs::read_to_string(folder.join("matrix-synapse-proxy.container")).unwrap();
    for words in [
        "Pod=matrix-synapse.pod\n",
        "Exec=daemon unit proxy\n",
        "Environment=MATRIX_SYNAPSE_PROFILE=isms\n",
        "DropCapability=all\n",
        "Notify=healthy\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!folder.join("matrix-synapse-redis.container").exists());
}

#[test]
fn a_target_that_is_none_is_answered_with_those_there_are() {
    let said = Person::new().types("manage render --target docker");
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("quadlet"), "{said}");
    let said = Person::new().types("manage render --target systemd --force");
    assert_eq!(said.code, Some(1), "{said}");
}
