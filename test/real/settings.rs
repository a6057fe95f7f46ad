//! Settings are checked before anything changes, and hand edits stay.

use std::fs;

use crate::{
    common::{Instance, file},
    lent::Lent,
};

#[test]
fn a_misspelt_synapse_setting_is_refused_with_the_right_one() {
    let server = Lent::any();
    let overrides = server.data.join("homeserver.d");
    file(&overrides, "mine.yaml", b"# a comment\nmedia_retention:\n  remote_media_lifetim: 3d\n");
    server
        .run(&["config", "check"])
        .exits(1)
        .says("remote_media_lifetim")
        .says("did you mean `media_retention.remote_media_lifetime`");
    file(&overrides, "mine.yaml", b"turn-shared-secret: abc\n");
    server.run(&["config", "check"]).exits(1).says("turn_shared_secret");
    file(&overrides, "mine.yaml", b"# a comment\nmedia_retention:\n  remote_media_lifetime: 3d\n");
    server.run(&["config", "check"]).success();
    server.run(&["config", "render"]).success().says("3d");
}

#[test]
fn what_we_own_cannot_be_overridden() {
    let server = Lent::any();
    let overrides = server.data.join("homeserver.d");
    for owned in
        ["macaroon_secret_key: abc", "signing_key_path: /tmp/x", "server_name: other.example"]
    {
        file(&overrides, "mine.yaml", owned.as_bytes());
        let key = owned.split(':').next().unwrap();
        server.run(&["config", "check"]).exits(1).says(key);
    }
}

#[test]
fn power_by_name_that_would_keep_the_operator_from_making_rooms_is_refused() {
    let server = Lent::any();
    let powers = b"default_power_level_content_override:\n  private_chat:\n    users:\n      \
        '@operator:test.example': 100\n";
    let own = file(&server.data.join("homeserver.d"), "powers.yaml", powers);
    server
        .run(&["config", "check"])
        .exits(1)
        .says("private_chat.users.@operator:test.example")
        .says("powers.yaml");
    fs::remove_file(own).unwrap();
    server.run(&["config", "check"]).success();
}

#[test]
fn a_setting_is_set_and_the_comments_stay() {
    let server = Lent::any();
    let path = server.data.join("settings.yaml");
    // The install has kept a setting of that section.
    let text = fs::read_to_string(&path).unwrap();
    let mine = "# mine\nsupervision:\n  restarts: 7 # few\n";
    fs::write(&path, text.replace("supervision:\n", mine)).unwrap();
    server.run(&["config", "set", "supervision.restarts", "9"]).success();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("# mine") && text.contains("restarts: 9 # few"), "{text}");
    server
        .run(&["config", "set", "supervision.restart", "9"])
        .exits(1)
        .says("supervision.restarts");
    server.run(&["config", "set", "server.port", "99999"]).exits(1).says("65535");
}

#[test]
fn an_installation_keeps_its_secrets_and_hand_edits_when_it_is_installed_again() {
    const MINE: &[u8] = b"# a comment\nmedia_retention:\n  remote_media_lifetime: 3d\n";
    let server = Instance::installed("again");
    let mine = file(&server.data.join("homeserver.d"), "mine.yaml", MINE);
    let read = |name: &str| fs::read(server.data.join("secrets").join(name)).unwrap();
    let names = ["signing.key", "macaroon_secret_key", "form_secret"];
    let before = names.map(read);
    server.run(&["manage", "install"]).success();
    server.run(&["manage", "install"]).exits(2).says("already");
    server.run(&["manage", "install", "--force"]).success();
    assert_eq!(names.map(read), before);
    assert_eq!(fs::read(mine).unwrap(), MINE);
    server.run(&["config", "render"]).success().says("3d");
    assert!(before[1] != before[2]);
}

#[test]
fn an_uninstalled_server_can_be_had_back() {
    let server = Instance::started("back");
    let room = server.run(&["content", "create-room", "Kept", "--no-encryption", "-q"]).success();
    server.run(&["content", "send-message", room.line(), "still here"]).success();
    let gone = server.run(&["manage", "uninstall", "--format", "json"]).success().json();
    let aside = gone["aside"].as_str().unwrap().to_owned();
    server.run(&["status"]).exits(2);
    server.run(&["manage", "uninstall"]).exits(2);
    server.take_environment();
    server.run(&["manage", "install", "--restore", &aside, "--start"]).success();
    assert_eq!(server.bodies(room.line()), ["still here"]);
}

#[test]
fn what_synapse_hands_on_has_keys_of_its_own() {
    let server = Lent::any();
    let overrides = server.data.join("homeserver.d");
    let provider = "oidc_providers: [{idp_id: a, idp_name: A, issuer: 'https://id.example.org', \
        client_id: x, client_secret: secret, MORE}]\n";
    let good = "extra_well_known_client_content: {org.matrix.msc4143.rtc_foci: [{type: livekit}]}\n\
        modules: [{module: synapse.config.jwt.JWTConfig, config: {greeting: hi}}]\n\
        experimental_features: {msc3266_enabled: true}\n"
        .to_owned()
        + &provider.replace("MORE", "additional_authorization_parameters: {acr_values: '2fa'}");
    file(&overrides, "mine.yaml", good.as_bytes());
    let said = server.run(&["config", "check"]).success();
    said.says("this Synapse has no setting `experimental_features.msc3266_enabled`");
    let mapping = |mapping: &str| provider.replace("MORE", mapping);
    for (content, why) in [
        // Beside these a wrong key is still found.
        (
            mapping("user_mapping_provider: {config: {localpart_templat: x}}"),
            "localpart_template`?",
        ),
        (
            "caches: {per_cache_factors: {x: 2.0}, global_facto: 1}".into(),
            "`caches.global_factor`?",
        ),
        // What Synapse stumbles over is said.
        ("modules: [{module: nosuch.Module, config: {a: 1}}]".into(), "No module named 'nosuch'"),
        ("sentry: {dsn: 'https://x@sentry.example.org/1'}".into(), "it needs sentry-sdk"),
        (
            mapping("user_mapping_provider: null, config: {x: 1}"),
            "user_mapping_provider` cannot be",
        ),
        ("email: [1]".into(), "it cannot be a list"),
    ] {
        file(&overrides, "mine.yaml", content.as_bytes());
        server.run(&["config", "check"]).exits(1).says(why).says("mine.yaml");
    }
}

#[test]
fn what_is_asked_for_what_is_installed_and_what_runs_are_three_facts() {
    let server = Instance::started("facts");
    server.run(&["config", "check"]).success().says("valid and applied");
    let set = ["config", "set", "synapse.version", "1.150.0"];
    server.run(&set).success().says("`manage upgrade` brings it");
    server.run(&["config", "check"]).success().says("`manage upgrade` brings Synapse 1.150.0");
    let shown = server.run(&["status", "--verbose"]).success();
    assert!(shown.stdout.contains("Synapse: 1.16"), "{shown}");

    // As after an install of it: what runs has the files of the old one in use.
    let link = server.data.join("environments/synapse");
    let old = fs::canonicalize(&link).unwrap();
    let new = old.with_file_name("synapse-1.150.0-0123abcd");
    let copied = std::process::Command::new("cp").arg("-al").args([&old, &new]).status().unwrap();
    assert!(copied.success());
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&new, &link).unwrap();
    let told = server.data.join("instance.env");
    let text = fs::read_to_string(&told).unwrap();
    let version = text.lines().find_map(|it| it.strip_prefix("MATRIX_SYNAPSE_INSTALLED_VERSION="));
    fs::write(&told, text.replace(version.unwrap(), "1.150.0")).unwrap();
    let status = server.run(&["status", "--json"]).success().json();
    assert_eq!(status["version"], "1.150.0");
    let running = status["running_version"].as_str().unwrap();
    assert!(running.starts_with("1.16"), "{running}");
    let said = server.run(&["status", "--verbose"]).success();
    said.says(&format!("{running} runs, 1.150.0 is installed: `manage restart` runs that"));
    let check = server.run(&["config", "check"]).success();
    check.says("not all of them are applied yet: ").says("`manage restart` applies them");
}
