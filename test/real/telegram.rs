//! The bridge to Telegram: its own program is installed, kept running and answers in Matrix. Telegram
//! itself is never spoken to, for nobody logs in.

use std::fs;

use serde_json::Value;

use crate::{
    bridges::{DATABASES, ROLES, keeps_secrets, sql},
    common::{Instance, file, kill_9, wait_for},
    lent::Lent,
};

const HASH: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const BOT: &str = "987654321:AAF-hG_jKlMnOpQrStUvWxYz0123456789a";

/// How often a service was started.
fn runs(server: &Instance, service: &str) -> u64 {
    let state = fs::read(server.data.join("run/state.json")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    state["services"][service]["runs"].as_u64().unwrap()
}

/// Says something in a room and waits for what the bridge's bot answers.
fn asked(server: &Instance, room: &str, word: &str, answer: &str) {
    server.run(&["content", "send-message", room, word]).success();
    wait_for(&format!("the bot answers `{answer}`"), || server.heard(room, answer));
}

#[test]
fn the_telegram_bridge_is_installed_answers_comes_back_and_leaves_nothing() {
    let server = Lent::up();
    let write =
        |name: &str, text: &str| file(&server.data, name, text.as_bytes()).display().to_string();
    let (hash, bot) = (write("hash", &format!("{HASH}\n")), write("bot", BOT));
    let synapse = server.pid("synapse");

    // What cannot be right is refused before anything is there.
    let telegram =
        |words: &[&str]| server.run(&[&["content", "add-bridge", "telegram"], words].concat());
    let refused = |id: &str, hash: &str, more: &[&str], what: &str| {
        let said = telegram(&[&["--api-id", id, "--api-hash-file", hash], more].concat()).exits(1);
        let said = said.says(what);
        assert!(!said.to_string().contains(HASH) && !said.to_string().contains(BOT), "{said}");
        said
    };
    let gives = "https://my.telegram.org/apps gives both out";
    telegram(&["--api-id", "17"]).exits(1).says("needs `--api-hash-file`").says(gives);
    telegram(&["--api-hash-file", &hash]).exits(1).says("needs `--api-id`").says(gives);
    refused("12345", &hash, &[], "is the number of the bridge's example").says(gives);
    refused("0", &hash, &[], "is no number that Telegram gives out");
    refused("17", "/nowhere/hash", &[], "cannot read `/nowhere/hash`");
    refused("17", &write("empty", " \n"), &[], "the API hash is empty or no single word");
    refused("17", &write("garbage", "\0\0"), &[], "the API hash is empty or no single word");
    refused("17", &write("short", &HASH[1..]), &[], "contains no API hash").says(gives);
    refused("17", &bot, &[], "`--api-hash-file` contains no API hash");
    let more = ["--bot-token-file", &hash];
    refused("17", &hash, &more, "contains no bot token").says("https://t.me/BotFather");
    assert_eq!(server.pid("synapse"), synapse);
    assert!(!server.data.join("bridges").exists());
    assert!(!server.data.join("environments/telegram").exists());
    let add = ["--api-id", "17", "--api-hash-file", &hash];
    telegram(&[&add[..], &["--dry-run"]].concat()).success();
    assert!(!server.data.join("environments/telegram").exists());

    let before = runs(&server, "synapse");
    let added = telegram(&add).success().says("it answers through Synapse after");
    keeps_secrets(&server, "telegram", &[&added], &[HASH]);
    assert_eq!(runs(&server, "synapse"), before + 1);
    assert_eq!(runs(&server, "bridge-telegram"), 1);
    assert_eq!(sql(&server, DATABASES), ["synapse_telegram"]);
    assert_eq!(sql(&server, ROLES), ["synapse_telegram"]);
    let listed = server.bridge("telegram");
    assert_eq!((&listed["state"], &listed["last_ping"]["ok"]), (&"running".into(), &true.into()));
    telegram(&add).exits(2).says("exists already");
    telegram(&["--api-id", "18", "--api-hash-file", &hash]).exits(1).says("with other settings");
    assert_eq!(runs(&server, "synapse"), before + 1);

    // Its bot answers.
    let make = ["content", "create-room", "Telegram", "--invite", "@telegrambot", "-q"];
    let room = server.run(&make).success().line().to_owned();
    wait_for("the bot greets", || server.heard(&room, "Hello, I'm a Telegram bridge bot"));
    asked(&server, &room, "help", "Get instructions on how to log in");
    asked(&server, &room, "ping", "You're not logged in");
    asked(&server, &room, "version", "https://github.com/mautrix/telegram");

    // It comes back, and still knows the room.
    let pid = server.pid("bridge-telegram");
    kill_9(pid);
    server.run(&["content", "send-message", &room, "ping-bot"]).success();
    wait_for("it is back", || server.bridge("telegram")["state"] == "running");
    assert_ne!(server.pid("bridge-telegram"), pid);
    wait_for("it answers what was said meanwhile", || {
        server.heard(&room, "relay bot not configured")
    });
    server.run(&["content", "list-bridges", "--ping"]).success().says(" ms, ");
    keeps_secrets(&server, "telegram", &[&added], &[HASH]);

    let removed = server.run(&["content", "remove-bridge", "telegram"]).success();
    removed.says("dropped the database synapse_telegram").says("restarted: synapse");
    assert!(sql(&server, DATABASES).is_empty() && sql(&server, ROLES).is_empty());
    assert!(!server.data.join("bridges").exists() && server.is_healthy());

    // One with a bot in Telegram, made ready while nothing runs. Its environment is there already.
    server.run(&["manage", "stop"]).success();
    let relay = ["--name", "relay", "--bot-token-file", "-"];
    let words = [&["content", "add-bridge", "telegram"], &add[..], &relay[..]].concat();
    let said = server.run_with(&words, BOT.as_bytes()).success();
    assert!(!said.to_string().contains(BOT) && !said.to_string().contains("installed"), "{said}");
    let config = fs::read_to_string(server.data.join("bridges/relay/config.yaml")).unwrap();
    assert!(config.contains(BOT) && config.contains("relay_{userid}"));
    server.run(&["content", "remove-bridge", "relay"]).success();
}
