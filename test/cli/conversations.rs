//! Whole conversations without a server, as a person has them: every line that is typed, and all that is
//! said to it. `INSTA_UPDATE=always cargo test --test cli conversations::` writes them anew.

use std::fmt::Write as _;

use crate::common::Person;

/// The lines typed one after the other, with what is said to each.
#[track_caller]
fn talk(name: &str, person: &Person, lines: &[&str]) {
    let mut text = String::new();
    for line in lines {
        let said = person.types(line);
        assert!(!said.stderr.contains("panicked"), "{line}: {said}");
        writeln!(text, "$ {line}\n{}\n", said.to_string().trim_end()).unwrap();
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("conversations");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Who has typed nothing yet.
fn newcomer() -> Person {
    Person::new()
}

/// Who has services and a profile of their own.
fn with_office() -> Person {
    Person::new().settings(
        "services:
  echo:
    summary: says what it was told
    command: [sh, -c, 'exec sleep 1000']
    environment: {TOKEN: hunter2222}
    needs: [matrix-synapse]
    tags: [bots]
profiles:
  office:
    services: [core, echo]
",
    )
}

/// Tests of one line each: its name, who talks, what is typed.
macro_rules! conversations {
    ($($name:ident: $person:expr, [$($line:literal),+ $(,)?];)+) => {
        $(#[test] fn $name() { talk(stringify!($name), &$person, &[$($line),+]); })+
    };
}

conversations! {
    a_word_that_is_none_is_answered_with_the_nearest: newcomer(), [
        "statsu", "content send-mesage #a b", "manage strat", "content list --tpye user",
    ];
    a_field_that_a_list_does_not_have_is_refused_before_anything_is_asked: newcomer(), [
        "content list-users --fields user_id,nam", "content list-users --sort -create_ms --json",
        "content list --type room --fields user_id", "content list-users --limit 0",
        "content get-user alice --fields name", "status --format jsnol", "content list-users --sort last_seen_ms --fields user_id --format jsonl",
    ];
    a_word_that_is_missing_is_named: newcomer(), [
        "content send-message", "content add-user", "config show a b c", "manage endpoint", "logs --tail",
    ];
    nothing_is_installed_and_every_verb_says_what_to_do: newcomer(), [
        "status --fast", "manage start", "manage stop", "manage restart", "manage uninstall", "manage events",
    ];
    talking_without_a_server: newcomer(), [
        "content send-message #a hello", "content list-users", "content create-room Kitchen",
        "content add-bot robot", "content read-messages #a", "content media",
    ];
    without_a_server_there_are_no_credentials_and_no_logs: newcomer(), [
        "credentials", "credentials --show-secrets", "logs", "logs synapse --tail 3",
    ];
    without_a_server_there_are_no_bridges_and_no_webhooks: newcomer(), [
        "content list-bridges", "content remove-bridge irc", "content bridge-logs irc",
        "content add-bridge irc", "content list-hooks", "content remove-hook ci",
    ];
    a_program_gets_an_error_as_json: newcomer(), [
        "frobnicate --json", "content list-users --json", "config show server.prot --json",
    ];
    a_setting_is_set_shown_and_forgotten: newcomer(), [
        "config show server.port", "config set server.port 8100", "config show server.port",
        "config set server.port 8100", "config set server.port 8008", "config show server.port",
    ];
    a_setting_that_is_none: newcomer(), [
        "config show server.prot", "config set server.prot 1", "config show nonsense", "config set a.b c",
        "config show --set server.prot=1",
    ];
    a_value_that_does_not_fit: newcomer(), [
        "config set server.port 99999", "config set server.port many", "config set synapse.presence perhaps",
        "config set synapse.max_upload_size much", "config set supervision.start_timeout soon",
        "config set stack.profile larger", "config set server.name Upper.example/path",
    ];
    ports_that_are_the_same: newcomer(), [
        "config show server.port --set server.metrics_port=8008", "config set server.metrics_port 8008",
    ];
    a_secret_is_not_shown: newcomer().with("SYNAPSE_DB_PASSWORD", "hunter2hunter2"), [
        "config show database.password", "config show database.password --json",
        "config show database.password --show-secrets",
    ];
    where_a_value_comes_from: newcomer().with("MATRIX_SYNAPSE_PORT", "8101"), [
        "config show server.port", "config show server.port --set server.port=8102", "config show server.port --json",
    ];
    a_variable_that_does_not_fit_is_named: newcomer().with("MATRIX_SYNAPSE_PORT", "eighty"), [
        "config show server.port", "status --fast", "manage install --dry-run",
    ];
    settings_that_cannot_be_read: newcomer().settings("server: [\n"), [
        "config show server.port", "status --fast", "manage start", "config set server.port 8100",
    ];
    settings_with_a_misspelt_key: newcomer().settings("server:\n  prot: 8100\n"), [
        "config show", "config check", "status --fast",
    ];
    settings_with_a_section_that_is_none: newcomer().settings("serbver:\n  port: 8100\n"), ["config show", "manage start"];
    a_check_without_an_installation: newcomer(), ["config check", "config check --json"];
    the_services_of_the_profiles: newcomer().with("MATRIX_SYNAPSE_ENCRYPTION_ENABLED", "false"), [
        "manage services", "manage services --profile isms", "manage services --profile scale",
        "manage services --profile cor",
    ];
    services_of_ones_own_are_listed: with_office().with("MATRIX_SYNAPSE_ENCRYPTION_ENABLED", "false"), [
        "manage services --profile office", "manage services --profile core", "manage endpoint echo",
    ];
    services_that_cannot_be: newcomer().settings("services:\n  echo: {summary: no command}\n"), ["manage services"];
    services_that_need_each_other: newcomer().settings(
        "services:\n  a: {command: 'true', needs: [b]}\n  b: {command: 'true', needs: [a]}\nprofiles:\n  p: {services: [core, a, b]}\n"
    ), ["manage services --profile p", "manage start --profile p"];
    a_service_that_needs_nobody_there_is: newcomer().settings(
        "services:\n  a: {command: 'true', needs: [nobody]}\n"
    ), ["manage services", "config check"];
    a_service_with_a_misspelt_key: newcomer().settings(
        "services:\n  a: {comand: 'true'}\n"
    ), ["manage services", "config show"];
    an_address_of_a_service: newcomer(), [
        "manage endpoint synapse", "manage endpoint synapse metrics", "manage endpoint synapse clinet",
        "manage endpoint nobody", "manage endpoint database",
    ];
    completions_for_a_shell_that_is_none: newcomer(), ["completions", "completions powersh", "completions tcsh"];
    a_room_and_a_user_that_cannot_be: newcomer(), [
        "content add-user UPPER", "content add-user a:b", "content invite", "content get-user",
        "content send-message room", "content create-room",
    ];
    options_that_exclude_each_other: newcomer(), [
        "content send-message #a b --file c", "manage install --dry-run --restore /nowhere",
        "manage uninstall --purge --keep-data",
    ];
    a_format_that_is_none: newcomer(), ["status --format xml", "config show server.port --format yaml"];
    an_install_that_would_be_made: newcomer(), ["manage install --restore /nowhere", "manage install --offline /nowhere"];
    workers_that_cannot_be: newcomer(), [
        "config set workers.list genric=1", "config set workers.list generic=0", "manage scale --workers generic=1",
        "config show workers.list --set stack.profile=scale --set workers.list=synapse=2",
    ];
    a_name_for_a_second_homeserver: newcomer(), [
        "--instance other status --fast", "--instance Other status --fast", "--instance other config show server.port",
    ];
    joining_without_a_file: newcomer(), [
        "manage start worker generic-1", "manage start --join /nowhere", "manage join-file /nowhere/file",
    ];
    a_list_with_a_word_that_does_not_belong: newcomer(), [
        "config set media.user_limits 1d=many", "config set alerts.interval never", "config set hooks.port 0",
    ];
    what_is_said_with_q_and_with_v: newcomer(), [
        "config show server.port -q", "config show server.port -v", "status --fast -q", "manage stop -q",
    ];
    backups_that_cannot_be_made_by_themselves: newcomer(), [
        "manage backup schedule 3am", "manage backup schedule @daily --keep dayly=7", "manage backup schedule --verify often",
        "manage backup schedule --off --keep last=1", "manage backup list --keep last=1", "manage backup schedule --off",
        "manage backup schedule", "config set backup.point_in_time true --dry-run",
    ];
    a_moment_of_a_server_of_others: newcomer().settings("database:\n  kind: shared\n  host: db.example\n"), [
        "config set backup.point_in_time true",
    ];
    a_moment_that_cannot_be_reached: newcomer(), [
        "manage restore", "manage restore --at tomorrow", "manage restore --at 2h", "manage restore /nowhere --at 2h",
    ];
    a_test_phase_that_is_none: newcomer(), ["test smokee", "test smoke integration"];
}
