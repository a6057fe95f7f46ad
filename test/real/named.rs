//! Several homeservers on one machine: `--instance NAME`.

use std::{fs, process::Command};

use crate::common::Instance;

/// Ends and erases a named server, however the test ends.
struct Named<'a>(&'a Instance, &'static str);

impl Named<'_> {
    fn run(&self, words: &[&str]) -> serde_json::Value {
        let mut command: Command = self.0.command();
        // Those of the harness would hold for both.
        let names: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        for name in names.iter().filter(|name| name.to_string_lossy().ends_with("_PORT")) {
            command.env_remove(name);
        }
        command.args(["--instance", self.1, "--format", "json"]);
        let output = command.args(words).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn folder(&self) -> String {
        format!("{}-{}", self.0.data.display(), self.1)
    }
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        let mut purge = self.0.command();
        purge.args(["--instance", self.1, "manage", "uninstall", "--purge", "--force"]);
        drop(purge.output());
        drop(fs::remove_dir_all(self.folder()));
    }
}

#[test]
fn two_named_servers_share_neither_port_nor_socket_nor_lock_nor_database() {
    let beside = Instance::with_environment("named");
    let (one, other) = (Named(&beside, "one"), Named(&beside, "other"));
    for named in [&one, &other] {
        fs::create_dir_all(named.folder()).unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-al").arg(beside.data.join("environments")).arg(named.folder());
        assert!(copy.status().unwrap().success());
        let said = named.run(&["manage", "install", "--start"]);
        assert_eq!(said["running"], true, "{said}");
    }
    let shown = |named: &Named<'_>, key: &str| {
        let said = named.run(&["config", "show", key]);
        said["settings"][0]["value"].to_string()
    };
    for key in ["server.port", "database.embedded_port", "proxy.http_port", "database.name"] {
        assert_ne!(shown(&one, key), shown(&other, key), "{key}");
    }
    for named in [&one, &other] {
        let room = named.run(&["content", "create-room", "Same", "--alias", "same"]);
        named.run(&["content", "send-message", "#same", named.1]);
        let read = named.run(&["content", "read-messages", "#same"]);
        let bodies: Vec<&str> = read["messages"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it["body"].as_str())
            .collect();
        assert_eq!(bodies, [named.1], "{room}");
    }
    assert_eq!(one.run(&["status"])["status"], "running");
}
