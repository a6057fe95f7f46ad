//! One homeserver is installed from nothing, has run once and was stopped; what other tests start from is
//! a copy of its folder under ports of its own, which `manage install` finds nothing to do in. What a copy
//! shares with the first are its secrets, and that folder's name as a mark in the database.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::common::Instance;

/// In a run apart: the folder and the ports of the one that was prepared outside.
const FOLDER: &str = "RMS_TEST_PREPARED";
const PORTS: &str = "RMS_TEST_PREPARED_PORTS";

/// Belongs to what runs, and to nobody who has only been copied.
const OF_A_RUN: [&str; 3] = ["environments", "run", "logs"];
/// All that holds the folder or one of the ports, but for what PostgreSQL notes for itself.
const RENDERED: [&str; 6] = [
    "settings.yaml",
    "instance.env",
    "secrets/operator.json",
    "secrets/pgpass",
    "synapse/homeserver.yaml",
    "postgres/data/conf.d/10-resource-matrix-synapse.conf",
];

static PREPARED: LazyLock<Instance> = LazyLock::new(|| {
    let instance = Instance::empty("prepared");
    // For a caller who lets everybody write what they make.
    let ours = instance.command();
    let mut install = Command::new("sh");
    install.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(ours.get_program());
    install.args(["manage", "install", "--start"]);
    for (name, value) in ours.get_envs() {
        match value {
            Some(value) => install.env(name, value),
            None => install.env_remove(name),
        };
    }
    let said = install.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    instance.run(&["manage", "stop"]).success();
    instance
});

/// The prepared folder.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os(FOLDER).map_or_else(|| PREPARED.data.clone(), PathBuf::from)
}

/// What a run apart is told, so that it needs to prepare nothing.
pub(crate) fn variables() -> [(&'static str, String); 2] {
    [(FOLDER, PREPARED.data.display().to_string()), (PORTS, text(&PREPARED.all_ports()))]
}

/// What `cache/checked` says of a data folder whose settings Synapse was content with.
fn checked(data: &Path) -> String {
    let environment = fs::read_link(folder().join("environments/synapse")).unwrap();
    let hash = Sha256::new()
        .chain_update(include_str!("../../src/synapse/check.py"))
        .chain_update(environment.file_name().unwrap().as_encoded_bytes())
        .chain_update(fs::read(data.join("synapse/homeserver.yaml")).unwrap())
        .finalize();
    HEXLOWER.encode(&hash[..16])
}

fn text(ports: &[u16]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Instance {
    /// A server of one's own that runs.
    pub(crate) fn started(name: &str) -> Self {
        let instance = Self::installed(name);
        instance.run(&["manage", "start"]).success();
        instance
    }

    /// A server of one's own that is installed, and has run before.
    pub(crate) fn installed(name: &str) -> Self {
        let instance = Self::with_environment(name);
        let from = folder();
        for entry in fs::read_dir(&from).unwrap() {
            let entry = entry.unwrap();
            if !OF_A_RUN.iter().any(|name| entry.file_name() == *name) {
                copy("-a", &entry.path(), &instance.data);
            }
        }
        for name in ["run", "logs"] {
            fs::DirBuilder::new().mode(0o700).create(instance.data.join(name)).unwrap();
        }
        let ports = std::env::var(PORTS).unwrap_or_else(|_| text(&PREPARED.all_ports()));
        let mut words = vec![(from.display().to_string(), instance.data.display().to_string())];
        let own = instance.all_ports().map(|port| port.to_string());
        words.extend(ports.split(' ').map(str::to_owned).zip(own));
        for name in RENDERED {
            let path = instance.data.join(name);
            let old = fs::read_to_string(&path).unwrap();
            // In one pass, for a port of this one may be a port of that one.
            let pattern: Vec<_> = words.iter().map(|(word, _)| regex::escape(word)).collect();
            let pattern = regex::Regex::new(&format!(
                r"(?-u:\b)(?:{})(?-u:\b)|{}(?-u:\b)",
                pattern[1..].join("|"),
                pattern[0]
            ));
            let new = pattern.unwrap().replace_all(&old, |found: &regex::Captures<'_>| {
                words.iter().find(|(word, _)| *word == found[0]).unwrap().1.clone()
            });
            fs::write(&path, &*new).unwrap();
        }
        // Synapse was content with the first; names and ports make no difference to it.
        let note = |data: &Path| (data.join("cache/checked"), checked(data));
        let (first, hash) = note(&from);
        assert_eq!(fs::read_to_string(first).unwrap().lines().next(), Some(&*hash));
        let (own, hash) = note(&instance.data);
        fs::write(own, hash).unwrap();
        instance
    }

    /// A data folder in which only the Python environment is there already.
    pub(crate) fn with_environment(name: &str) -> Self {
        let instance = Self::empty(name);
        instance.take_environment();
        instance
    }

    /// Links the prepared Python environment into the data folder.
    pub(crate) fn take_environment(&self) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.data).unwrap();
        let environments = folder().join("environments");
        if std::env::var_os(FOLDER).is_none() {
            return copy("-al", &environments, &self.data);
        }
        // It is on another disk.
        let own = self.data.join("environments");
        fs::create_dir(&own).unwrap();
        for entry in fs::read_dir(environments).unwrap() {
            let entry = entry.unwrap();
            // What is a link there, to the one in use, is the same link here.
            let target = fs::read_link(entry.path()).unwrap_or_else(|_| entry.path());
            symlink(target, own.join(entry.file_name())).unwrap();
        }
    }
}

#[track_caller]
fn copy(how: &str, from: &Path, into: &Path) {
    let copied = Command::new("cp").args([how, "--reflink=auto"]).arg(from).arg(into).status();
    assert!(copied.unwrap().success());
}

#[test]
fn nobody_else_may_write_what_is_installed_whatever_the_callers_umask_is() {
    let found = Command::new("find")
        .arg(folder())
        .args(["!", "-type", "l", "-perm", "/022", "-print", "-quit"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "");
}

#[test]
fn a_copy_of_the_prepared_server_is_as_an_install_leaves_one() {
    let server = Instance::installed("copy");
    server.run(&["manage", "install", "--dry-run"]).success().says("nothing would have to be done");
    server.run(&["manage", "install"]).exits(2).says("already installed");
    server.run(&["config", "check"]).success();
}
