//! Dendrite in the place of Synapse: the real one, built by the install as for anybody who has Go.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    thread::{self, ScopedJoinHandle},
};

use serde_json::Value;

use crate::{
    chaos::accepted_while_killed,
    common::{Instance, file, wait_for},
    federation::server,
};

/// What a service has in memory, in bytes.
fn memory(server: &Instance, service: &str) -> u64 {
    let status = server.json(&["status", "--verbose"]);
    let all = status["services"].as_array().into_iter().flatten();
    let found = all.into_iter().find(|it| it["name"] == service);
    found.and_then(|it| it["memory_bytes"].as_u64()).unwrap_or_default()
}

/// A light homeserver that speaks with others, in front of it the proxy with a certificate of our own.
fn light() -> Instance {
    let mut light = Instance::with_environment("dendrite");
    let port = light.proxy[2];
    light.variable("MATRIX_SYNAPSE_SERVER_NAME", &format!("localhost:{port}"));
    light.variable("MATRIX_SYNAPSE_SERVER_KIND", "dendrite");
    light.variable("MATRIX_SYNAPSE_PROFILE", "isms");
    light.variable("MATRIX_SYNAPSE_TLS_CERTIFICATE", "own");
    light.variable("MATRIX_SYNAPSE_FEDERATION", "open");
    // Built sooner, and slower.
    light.variable("GOFLAGS", "'-gcflags=all=-N -l'");
    light
}

#[test]
fn a_light_homeserver_is_installed_talked_through_killed_and_heard_by_synapse() {
    let mut synapse = server("beside-dendrite");
    let mut light = light();
    let ca = |of: &Instance| of.data.join("tls/ca.pem").display().to_string();
    light.variable("MATRIX_SYNAPSE_FEDERATION_CA_LIST", &ca(&synapse));
    // What only Synapse has is refused before anything is there.
    let words = ["manage", "install", "--set", "stack.profile=full"];
    light.run(&words).exits(1).says("`full` has workers");
    let said = light.run(&["manage", "install", "--set", "synapse.registration=true"]);
    said.exits(1).says("`synapse.registration` is of Synapse alone");
    assert!(!light.data.join("dendrite").exists());
    light.run(&["manage", "install", "--start"]).success().says("installed: Dendrite 0.13.8");
    light.run(&["manage", "install"]).exits(2);
    light.run(&["manage", "start"]).exits(2);
    light.run(&["status"]).success().says("Health: Healthy");
    let secrets = fs::read_to_string(light.data.join("dendrite/dendrite.yaml")).unwrap();
    let rendered = light.run(&["config", "render"]).success();
    assert!(rendered.stdout.contains("registration_shared_secret: \"*****\""), "{rendered}");
    assert!(!secrets.contains("*****"));
    light.run(&["config", "check"]).success().says("valid and applied");

    // People, a room, and what is said there.
    light.run(&["content", "add-user", "bob", "--display-name", "Bob"]).success().says("made @bob");
    light.run(&["content", "add-user", "bob"]).exits(2).says("exists already");
    light.run(&["content", "add-user", "eve", "--admin"]).success();
    let room = light.run(&["content", "create-room", "Ops", "--alias", "ops", "-q"]);
    let room = room.success().line().to_owned();
    light.run(&["content", "join-room", "#ops", "--as", "bob"]).success();
    light.run(&["content", "send-message", "Ops", "by bob", "--as", "bob"]).success();
    let again = ["content", "send-message", "#ops", "once", "--transaction-id", "one", "-q"];
    let first = light.run(&again).success();
    light.run(&["manage", "restart", "dendrite"]).success();
    assert_eq!(light.run(&again).success().stdout, first.stdout, "it is found again");
    // Of what was taken away nothing says with which id it was sent, and it is not sent again.
    light.run(&["content", "redact-message", "#ops", first.line()]).success();
    light.run(&["manage", "restart", "dendrite"]).success();
    assert_eq!(light.run(&again).success().stdout, first.stdout, "nor is it sent again");
    let at_once = ["content", "send-message", "#ops", "at once", "--transaction-id", "two", "-q"];
    let both = thread::scope(|scope| {
        [(); 2]
            .map(|()| scope.spawn(|| light.run(&at_once).success().stdout))
            .map(ScopedJoinHandle::join)
    });
    assert!(both[0].as_ref().is_ok_and(|first| both[1].as_ref().is_ok_and(|it| it == first)));
    let other = ["content", "send-message", "#ops", "twice", "--transaction-id", "two"];
    light.run(&other).exits(1).says("used before, for other content");
    light.run(&["content", "send-message", "#ops", "nobody", "--as", "mallory"]).exits(1);
    light.run(&["content", "check-name", "mallory"]).success().says("is free");
    assert_eq!(light.bodies(&room), ["by bob", "at once"]);
    light.run(&["content", "add-user", "cyd"]).success();
    light.run(&["content", "invite", "#ops", "cyd"]).success();
    light.run(&["content", "send-message", "#ops", "by cyd", "--as", "cyd"]).success();
    let sign = ["content", "react", "#ops", both[0].as_ref().unwrap().trim(), "+"];
    light.run(&sign).success();
    light.run(&sign).exits(2).says("already");
    let direct = ["content", "send-message", "@cyd", "between us"];
    light.run(&direct).success().says("made the direct room");
    light.run(&direct).success().says("sent");
    let back = ["content", "send-message", "@operator", "back", "--as", "cyd"];
    assert!(!light.run(&back).success().stderr.contains("made the direct room"));
    let bot = ["content", "add-bot", "ci", "--room", "#ops", "--hook"];
    light.run(&bot).success().says("made @ci");
    light.run(&bot).exits(2);
    light.run(&["content", "add-bot", "bob"]).exits(1).says("is a user, not a bot");
    let rooms = light.json(&["content", "list-rooms"]);
    let rooms = rooms["rooms"].as_array().unwrap();
    let ops = rooms.iter().find(|room| room["name"] == "Ops").unwrap();
    assert_eq!((rooms.len(), &ops["members_count"]), (2, &Value::from(4)), "{rooms:?}");
    for (words, name) in [
        (&["content", "list-users"][..], "`list-users`"),
        (&["content", "purge-history", "#ops", "--before", "1d"], "`purge-history`"),
        (&["manage", "backup"], "`backup`"),
        (&["manage", "upgrade"], "`upgrade`"),
    ] {
        light.run(words).exits(1).says(&format!("{name} is not there with Dendrite"));
    }
    light
        .run(&["manage", "restart", "--set", "server.kind=synapse"])
        .exits(1)
        .says("cannot become");
    let path = file(&light.data, "wrong", b"#!/bin/sh\necho 0.12.0\n");
    let wrong = format!("dendrite.binary={}", path.display());
    light.run(&["manage", "install", "--set", &wrong]).exits(1).says("not an executable program");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let earlier = ["manage", "install", "--dry-run", "--set", &wrong];
    light.run(&earlier).exits(1).says("was used by Dendrite 0.13.8");
    for unfit in [["server.kind", "synapse"], ["synapse.room_version", "12"]] {
        light.run(&["config", "set", unfit[0], unfit[1]]).exits(1);
    }

    // What it needs and that is gone is named, with what brings it back.
    let program = light.data.join("environments/dendrite/dendrite");
    fs::rename(&program, program.with_extension("aside")).unwrap();
    fs::remove_file(light.data.join("secrets/appservice_token")).unwrap();
    light.run(&["content", "add-user", "ann"]).success();
    let words = ["content", "send-message", "#ops", "x", "--as", "ann"];
    light.run(&words).exits(1).says("`manage restart` makes another one");
    light.run(&["manage", "restart"]).exits(1).says("`manage install` brings it back");
    fs::rename(program.with_extension("aside"), &program).unwrap();
    light.run(&["manage", "restart"]).success();
    light.run(&["content", "join-room", "#ops", "--as", "ann"]).success();

    // Others see it, and it sees them, over verified connections.
    synapse.befriend(&light);
    for server in [&mut synapse, &mut light] {
        if server.data.join("synapse/homeserver.yaml").exists() {
            server.variable("MATRIX_SYNAPSE_IP_RANGE_WHITELIST", "127.0.0.0/8,::1");
        }
    }
    synapse.run(&["manage", "start"]).success();
    let new = ["content", "create-room", "New", "--alias", "new", "--public"];
    synapse.run(&new).success();
    light.join(&format!("#new:{}", synapse.name())).exits(1).says("a room of version 12");
    let words = ["content", "create-room", "Both", "--alias", "both", "--public"];
    let both = synapse.run(&[&words[..], &["--room-version", "11", "-q"]].concat());
    let both = both.success().line().to_owned();
    light.join(&format!("#both:{}", synapse.name())).success();
    synapse.send(&both, "from synapse");
    light.hears(&both, "from synapse");
    light.send(&both, "from dendrite");
    synapse.hears(&both, "from dendrite");
    let (large, small) = (memory(&synapse, "synapse"), memory(&light, "dendrite"));
    assert!(0 < small && small < large, "{small} and {large} bytes");

    // Nothing is lost or doubled, whatever is killed.
    accepted_while_killed(&light, "dendrite", 2);
    light.run(&["manage", "stop"]).success();
    // Its database stays one of Dendrite's, and of this version.
    light.run(&["manage", "uninstall", "--keep-data", "--force"]).success();
    light.run(&earlier).exits(1).says("was used by Dendrite 0.13.8");
    let other = ["manage", "install", "--dry-run", "--set", "server.kind=synapse"];
    light.run(&other).exits(1).says("is Dendrite and cannot become Synapse");
    wait_for("it is gone", || light.run(&["status"]).code == 2);
}
