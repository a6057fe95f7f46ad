//! The jobs of the cookbook, as somebody would type them, one after the other on one server.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    common::{Instance, file, free_port, wait_for},
    documents::{Group, path_of},
    media::PIXEL,
};

/// Each job: its heading, and the script below it.
fn jobs() -> Vec<(&'static str, &'static str)> {
    let job = |part: &'static str| {
        let (heading, rest) = part.split_once('\n')?;
        let script = rest.split_once("```bash\n")?.1.split_once("```")?.0;
        Some((heading, script))
    };
    include_str!("../../docs/cookbook.md").split("\n## ").filter_map(job).collect()
}

/// What the jobs find in their folder.
fn prepare(folder: &Path) {
    let people = ["alice", "bob", "carol", "dave"].map(str::to_owned);
    let people = people.into_iter().chain((5..=15).map(|n| format!("person{n}")));
    let rows: String = people.map(|name| format!("{name},The one called {name}\n")).collect();
    file(folder, "people.csv", format!("name,display_name\n{rows}").as_bytes());
    let lines: String = (1..=20).map(|n| format!("05:{n:02} step {n}\n")).collect();
    file(folder, "protocol.txt", lines.as_bytes());
    file(folder, "alice.png", PIXEL);
    file(folder, "bob.password", b"a new one for bob 1\n");
}

#[test]
fn every_job_of_the_cookbook_is_done_as_it_is_written() {
    let mut server = Instance::installed("cookbook");
    server.run(&["manage", "start"]).success();
    let folder = tempfile::tempdir().unwrap();
    let path = path_of(folder.path());
    prepare(folder.path());
    let jobs = jobs();
    assert_eq!(jobs.len(), 20, "{jobs:?}");
    // Whatever a job leaves in the background ends with this.
    let mut left = Vec::new();
    for (heading, script) in jobs {
        let port = free_port();
        let script = script.replace("8018", &port.to_string());
        if script.contains("server.port") {
            // A variable would count for more than the setting.
            server.unset("MATRIX_SYNAPSE_PORT");
        }
        let mut shell = Command::new("bash");
        let words = server.command();
        shell.envs(words.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.args(["-euo", "pipefail", "-c", &script]).env("PATH", &path);
        shell.current_dir(folder.path()).process_group(0).stdin(Stdio::null());
        let said = file(folder.path(), "said", b"");
        let output = fs::File::create(&said).unwrap();
        shell.stdout(output.try_clone().unwrap()).stderr(output);
        let mut running = shell.spawn().unwrap();
        let ended = running.wait().unwrap();
        let said = fs::read_to_string(&said).unwrap();
        assert!(ended.success(), "{heading}:\n{script}\n{said}");
        assert!(script.trim().lines().count() <= 3, "{heading} has more than three lines");
        became(&server, heading, &said, folder.path());
        if script.trim().ends_with('&') {
            left.push(Group(running));
        }
        if script.contains("server.port") {
            server.port = port;
            assert!(server.is_healthy(), "{said}");
        }
    }
}

/// What is there after a job.
fn became(server: &Instance, heading: &str, said: &str, folder: &Path) {
    let bodies = |room: &str| server.bodies(room);
    match heading {
        "Give a list of people accounts" => {
            assert!(said.contains("@person15:test.example"), "{said}");
            let accounts = fs::read_to_string(folder.join("accounts.txt")).unwrap();
            assert!(accounts.contains("@alice:test.example"), "{accounts}");
        }
        "Put a whole protocol into it, and close it" => {
            assert_eq!(bodies("#incident-42").last().unwrap(), "05:20 step 20");
            let send = ["content", "send-message", "#incident-42", "x", "--as", "operator"];
            server.run(&send).success();
        }
        "Have somebody look after a room" => {
            let alice = server.json(&["content", "get-user", "alice"]);
            assert_eq!(alice["display_name"], "Alice (on call)");
            assert!(alice["avatar_url"].as_str().unwrap().starts_with("mxc://"), "{alice}");
        }
        "Find out why a message did not arrive" => {
            assert!(said.contains("@carol:test.example     leave"), "{said}");
        }
        "A bot that answers" => {
            wait_for("the bot listens", || folder.join("pong.place").exists());
            server.run(&["content", "send-message", "#pings", "!ping"]).success();
            wait_for("it has answered", || bodies("#pings").contains(&"pong".to_owned()));
        }
        "An alert that is not lost" => assert_eq!(bodies("#alerts"), ["disk 91 % full on db1"]),
        "Tell several rooms the same" => {
            for room in ["#alerts", "#pings"] {
                assert_eq!(bodies(room).last().unwrap(), "Maintenance at 22:00");
            }
        }
        "Write to one person" => assert_eq!(bodies("@alice"), ["Your turn tonight"]),
        "Have Grafana, Alertmanager, GitHub or GitLab speak in a room" => {
            assert!(said.contains("Disk full"), "{said}");
        }
        "Ask people to choose" => assert!(said.contains("tomorrow"), "{said}"),
        "A space with rooms that everybody finds" => {
            let found = |room: &str| {
                server.run(&["content", "list-public-rooms"]).success().stdout.contains(room)
            };
            wait_for("the room is in the directory", || found("#alerts:test.example"));
        }
        "Somebody leaves the company" => {
            assert_eq!(server.json(&["content", "get-user", "dave"])["deactivated"], true);
        }
        "Keep what was said in a room" => {
            let kept = fs::read_to_string(folder.join("incident-42.jsonl")).unwrap();
            let kept: Vec<Value> =
                kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(kept[0]["body"], "db1 is full since 05:00; see the wiki");
        }
        "Copy everything" => {
            let list = Command::new("tar").arg("-tzf").arg(folder.join("synapse.tgz")).output();
            let list = String::from_utf8(list.unwrap().stdout).unwrap();
            assert!(list.contains("./secrets/identities/"), "{list}");
            assert!(!list.contains("./crypto/"), "{list}");
        }
        "Run another version of Synapse, and go back" => {
            assert!(said.contains("1.162.0"), "{said}");
            assert!(server.is_healthy());
            assert_eq!(bodies("@alice"), ["Your turn tonight"]);
        }
        _ => {}
    }
}
