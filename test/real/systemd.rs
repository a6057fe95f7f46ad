//! systemd keeps the services, as the first process of a machine of its own.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::common::{Instance, file, halt, kill_9, not_checked, signal, wait_for};

/// Namespaces in which systemd is the first process; they end with it.
struct Machine {
    outside: Child,
    enter: Vec<String>,
}

impl Machine {
    /// None where this machine has no systemd or lets nobody make another one.
    fn boot() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/test/real/pid1.sh");
        let mut command = Command::new("unshare");
        command.args(["--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc", "--cgroup"]);
        command.args(["bash", script]).stdin(Stdio::null());
        let outside = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let children = format!("/proc/{0}/task/{0}/children", outside.id());
        let mut machine = Self { outside, enter: Vec::new() };
        let first = || fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
        wait_for("it has a first process", || !first().is_empty());
        machine.enter = ["nsenter", "--target", &first(), "--all", "--"].map(str::to_owned).into();
        // `degraded` says that a unit of the machine itself could not be started, which is none of ours.
        let runs = || {
            let said = machine.run(&["systemctl", "is-system-running"]);
            ["running", "degraded"].contains(&said.trim())
        };
        wait_for("systemd has started", || machine.has_ended() || runs());
        (!machine.has_ended()).then_some(machine)
    }

    fn has_ended(&self) -> bool {
        !Path::new(&format!("/proc/{}/exe", self.outside.id())).exists()
    }

    /// What a program says there, on stdout and stderr.
    fn run(&self, words: &[&str]) -> String {
        let mut command = Command::new(&self.enter[0]);
        let output = command.args(&self.enter[1..]).args(words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn pid(&self, unit: &str) -> u32 {
        self.run(&["systemctl", "show", "--property=MainPID", "--value", unit])
            .trim()
            .parse()
            .unwrap()
    }

    /// The same as it is known outside.
    fn outer_pid(&self, unit: &str) -> u32 {
        let inner = self.pid(unit);
        let all = fs::read_dir("/proc").unwrap().flatten();
        let mut pids = all.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
        let is_it = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            let same = fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
                == fs::read_link(format!("/proc/{}/ns/pid_for_children", self.outside.id())).ok();
            same && line.is_some_and(|it| it.split_whitespace().last() == Some(&inner.to_string()))
        };
        pids.find(is_it).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.outside.kill());
        drop(self.outside.wait());
    }
}

/// How exposed `systemd-analyze security` finds it.
fn exposure(machine: &Machine, unit: &Path) -> f64 {
    let said =
        machine.run(&["systemd-analyze", "security", "--offline=true", unit.to_str().unwrap()]);
    let line = said.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    let number = line.rsplit(": ").next().unwrap().split(' ').next().unwrap();
    number.parse().unwrap()
}

fn units(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|it| it != "target")).collect()
}

#[test]
fn systemd_keeps_a_homeserver_that_is_talked_to_as_ever() {
    what_nobody_else_can_take_goes_on_here();
    let Some(machine) = Machine::boot() else {
        not_checked("only root boots systemd, and only where the machine has it");
        return;
    };
    let mut server = Instance::with_environment("systemd");
    server.host.clone_from(&machine.enter);
    server.variable("MATRIX_SYNAPSE_PROFILE", "compliance");
    server.variable("MATRIX_SYNAPSE_HUNG_AFTER", "2s");
    server.variable("MATRIX_SYNAPSE_PROBE_INTERVAL", "1s");
    server.variable("MATRIX_SYNAPSE_BACKUP_SCHEDULE", "* * * * *");
    server.variable("MATRIX_SYNAPSE_BACKUP_VERIFY", "never");
    server
        .run(&["manage", "install", "--target", "systemd", "--start"])
        .success()
        .says("running: ");
    server.forget_settings();
    server.run(&["status"]).success();
    server.run(&["manage", "start"]).exits(2);
    let room = server.room("Under systemd");
    let send = |text: &str| server.run(&["content", "send-message", &room, text]);
    send("one").success();

    // Nothing is wrong with the units, and each may do little.
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let render = ["manage", "render", "--target", "systemd", "--out", folder];
    server.run(&render).success();
    server.run(&render).exits(2);
    server.run(&[&render[..], &["--diff"]].concat()).exits(2);
    let units = units(out.path());
    assert!(units.len() > 8, "{units:?}");
    for unit in &units {
        let said = machine.run(&["systemd-analyze", "verify", unit.to_str().unwrap()]);
        assert_eq!(said, "", "{}", unit.display());
        if unit.extension().is_some_and(|it| it == "service") {
            let exposure = exposure(&machine, unit);
            assert!(exposure < 2.5, "{}: {exposure}", unit.display());
        }
    }
    let prefix = server.data.file_name().unwrap().to_str().unwrap().to_owned();
    let unit = |name: &str| format!("{prefix}-{name}.service");

    // One that dies and one that hangs are started anew.
    for hangs in [false, true] {
        let before = machine.pid(&unit("synapse"));
        let outer = machine.outer_pid(&unit("synapse"));
        if hangs {
            halt(outer);
        } else {
            kill_9(outer);
        }
        wait_for("it runs anew", || {
            ![0, before].contains(&machine.pid(&unit("synapse")))
                && server.run(&["status"]).code == 0
        });
    }
    send("two").success();
    let events = server.run(&["manage", "events"]).success();
    events.says("synapse");
    server.run(&["logs", "synapse"]).success().says("SynapseSite starting");
    server.run(&["manage", "restart", "redis"]).success().says("restarted: redis");
    wait_for("a backup was made by the clock", || {
        let folder = fs::read_dir(server.data.join("backups"));
        folder.is_ok_and(|mut folder| {
            folder.any(|it| it.is_ok_and(|it| it.path().extension().is_some()))
        })
    });

    // What a person changed stays.
    let file = format!("/etc/systemd/system/{}", unit("redis"));
    machine.run(&["sed", "-i", "s/^UMask=.*/UMask=0027/", &file]);
    let install = ["manage", "install", "--target", "systemd"];
    server.run(&install).exits(1).says("was changed by hand");
    assert!(machine.run(&["cat", &file]).contains("UMask=0027"));
    server.run(&[&install[..], &["--force"]].concat()).success();
    assert!(!machine.run(&["cat", &file]).contains("UMask=0027"));
    server.run(&["manage", "upgrade"]).exits(1).says("systemd keeps the services");

    // All ends in order, and this program takes the services back.
    server.run(&["manage", "stop"]).success();
    server.run(&["manage", "stop"]).exits(2);
    send("three").exits(1).says("it does not run");
    server.run(&["manage", "install", "--target", "native", "--start"]).success();
    let left = machine.run(&["systemctl", "list-unit-files", "--no-legend", &format!("{prefix}*")]);
    assert_eq!(left, "");
    send("three").success();
    assert_eq!(server.bodies(&room), ["one", "two", "three"]);
    server.run(&["manage", "stop"]).success();
    signal(machine.outside.id(), "TERM");
}

fn what_nobody_else_can_take_goes_on_here() {
    let server = Instance::shared();
    let tools = tempfile::tempdir().unwrap();
    let docker = file(tools.path(), "docker", b"#!/bin/sh\necho no daemon >&2\nexit 1\n");
    fs::set_permissions(docker, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    for more in [&["--start"][..], &["--start", "--dry-run"], &[]] {
        let mut install = server.command();
        install.env("PATH", format!("{}:{path}", tools.path().display()));
        let said = install.args(["manage", "install", "--target", "compose"]).args(more).output();
        let said = said.unwrap();
        let text = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(1), "{text}");
        assert!(text.contains("does not answer"), "{text}");
    }
    server.run(&["status"]).success().says("Health: Healthy");
    assert!(!server.data.join("compose").exists());
}
