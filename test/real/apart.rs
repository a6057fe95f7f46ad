//! Runs a test once more by itself, where it may mount what it likes: nobody else sees it, and it is
//! gone with its last process.

use std::{
    any::type_name,
    process::{Command, Stdio},
};

use crate::{common::not_checked, prepared};

/// Set in that other run.
const APART: &str = "RMS_TEST_APART";

/// Mounts a disk of this many MB where temporary files are put, data folders among them.
pub(crate) fn disk(megabytes: u32) -> String {
    format!("mount -t tmpfs -o size={megabytes}m,mode=755 none \"$1\"")
}

/// As `unshare` is told to show what is mounted to nobody else.
const NAMESPACE: [&str; 4] = ["--mount", "--propagation", "private", "--"];

#[track_caller]
fn may_mount() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(NAMESPACE).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
    let tried = unshare.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let may = tried.is_ok_and(|status| status.success());
    if !may {
        not_checked("only root mounts, and only where the machine allows it");
    }
    may
}

/// The same command with shared memory of its own: what it leaves there it says, when it has ended. The folder
/// of temporary files may be in the memory that all share.
#[track_caller]
pub(crate) fn in_own_memory(command: Command) -> Command {
    const MOUNTED: &str = "mount --rbind \"$1\" /mnt && mount -t tmpfs none /dev/shm && mkdir -p \"$1\" && \
        mount --move /mnt \"$1\" && shift && \"$@\"; code=$?; \
        find /dev/shm -maxdepth 1 -name 'PostgreSQL.*' >&2; exit $code";
    if !may_mount() {
        return command;
    }
    let mut own = Command::new("unshare");
    own.args(NAMESPACE).args(["sh", "-c", MOUNTED, "sh"]).arg(std::env::temp_dir());
    own.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => own.env(name, value),
            None => own.env_remove(name),
        };
    }
    own
}

/// Whether this is the run behind `setup`, shell commands whose `$1` is the folder of temporary files.
/// Where it is not, that run is made, and the test has nothing more to do.
#[track_caller]
pub(crate) fn is_apart<T: Fn()>(_test: T, setup: &str) -> bool {
    if std::env::var_os(APART).is_some() {
        return true;
    }
    let name = type_name::<T>().split_once("::").unwrap().1;
    if !may_mount() {
        return false;
    }
    let folder = tempfile::tempdir().unwrap();
    let said = Command::new("unshare")
        .args(NAMESPACE)
        .args(["sh", "-c", &format!("{setup} && shift && exec \"$@\""), "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(APART, "1")
        .envs(prepared::variables())
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
    false
}
