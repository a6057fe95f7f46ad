//! What is made from the settings for others to read: the schema, the shell files and the tables of
//! `docs/reference-settings.md`. The files are part of the sources; the tests here compare them, and with
//! `UPDATE=1` write them.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::values::setting::Setting;

/// The sections, in the order of [`super::settings`].
fn sections() -> Vec<(&'static str, Vec<&'static Setting>)> {
    let mut sections: Vec<(&str, Vec<&Setting>)> = Vec::new();
    for setting in super::settings() {
        let section = setting.key.split('.').next().unwrap_or_default();
        match sections.last_mut() {
            Some((name, list)) if *name == section => list.push(setting),
            _ => sections.push((section, vec![setting])),
        }
    }
    sections
}

/// A default as JSON has it; none where a setting has none.
fn typed_default(setting: &Setting) -> Option<Value> {
    let text = setting.default;
    let schema = (setting.schema)();
    match schema["type"].as_str() {
        Some("array") => Some(Value::from(text.split_whitespace().collect::<Vec<_>>())),
        _ if text.is_empty() => None,
        Some("boolean" | "integer" | "number") => serde_json::from_str(text).ok(),
        _ => Some(text.into()),
    }
}

/// `config/schema.json`: the entry of `service.json`, which may hold more than our settings, and
/// `settings.yaml` of the data folder.
fn schema() -> String {
    let mut properties = Map::new();
    properties.insert(
        "enabled".into(),
        json!({ "type": "boolean", "description": "Whether the platform installs and starts this resource." }),
    );
    for (section, settings) in sections() {
        let mut members = Map::new();
        for setting in settings {
            let mut schema = (setting.schema)();
            schema["description"] = setting.doc.into();
            if let Some(default) = typed_default(setting) {
                schema["default"] = default;
            }
            if let [variable, ..] = setting.variables {
                schema["x-environment"] = (*variable).into();
            }
            let name = setting.key.rsplit('.').next().unwrap_or_default();
            members.insert(name.into(), schema);
        }
        properties.insert(
            section.into(),
            json!({ "type": "object", "additionalProperties": false, "properties": members }),
        );
    }
    let named = |what: &str, schema: Value| json!({ "type": "object", "description": what, "additionalProperties": schema });
    let custom = named("Services of your own, by their names.", super::named::custom::schema());
    properties.insert("services".into(), custom);
    let profiles = named("Profiles of your own, by their names.", super::named::profiles::schema());
    properties.insert("profiles".into(), profiles);
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://vrooli.com/schemas/resources/matrix-synapse.json",
        "title": "Matrix Synapse",
        "description": "Settings of the Matrix homeserver",
        "type": "object",
        "properties": properties,
        "examples": examples(),
    });
    format!("{schema:#}\n")
}

/// What people begin with, each under a title.
fn examples() -> Value {
    json!([
        { "title": "A homeserver for this machine", "config": { "enabled": true } },
        {
            "title": "Another server name, on a shared PostgreSQL",
            "config": {
                "enabled": true,
                "server": { "name": "chat.example.org" },
                "database": { "kind": "shared", "host": "127.0.0.1", "port": 5433 },
            },
        },
        {
            "title": "Clients on other machines: nginx, HTTPS and a client for browsers",
            "config": {
                "enabled": true,
                "stack": { "profile": "isms" },
                "server": { "name": "example.org", "public_url": "https://matrix.example.org" },
                "proxy": { "address": "0.0.0.0", "http_port": 80, "https_port": 443 },
                "tls": {
                    "certificate": "/etc/letsencrypt/live/matrix.example.org/fullchain.pem",
                    "key": "/etc/letsencrypt/live/matrix.example.org/privkey.pem",
                },
                "web": { "client": "hydrogen" },
            },
        },
        {
            "title": "A private federation of two servers",
            "config": {
                "enabled": true,
                "stack": { "profile": "isms" },
                "server": { "name": "a.example.org" },
                "tls": { "certificate": "own" },
                "synapse": { "federation": "private", "federation_servers": ["b.example.org"] },
            },
        },
        {
            "title": "Workers for a busy server",
            "config": {
                "enabled": true,
                "stack": { "profile": "scale" },
                "workers": { "preset": "by-load", "autoscale": true },
            },
        },
    ])
}

/// The variable a setting is known by to shells.
fn variable(setting: &Setting) -> Option<&'static str> {
    setting.variables.first().copied()
}

/// `config/defaults.sh`.
fn defaults() -> String {
    let mut page = String::from(
        "#!/usr/bin/env bash\n\
         # Generated from src/config by `UPDATE=1 cargo test generated::`; do not edit.\n\
         # The default of each setting that has one, where the environment does not set it. Nothing is\n\
         # exported: a default that reached the program as a variable would win over settings.yaml.\n\
         # Works under `set -euo pipefail`.\n",
    );
    for (section, settings) in sections() {
        writeln!(page, "\n# {section}").unwrap();
        for setting in settings.iter().filter(|it| !it.secret && !it.default.is_empty()) {
            if let Some(variable) = variable(setting) {
                writeln!(page, ": \"${{{variable}:={}}}\"", setting.default).unwrap();
            }
        }
    }
    page
}

/// `config/exports.sh`: what scenarios are told.
fn exports() -> String {
    let secrets: Vec<&str> = super::settings()
        .filter(|setting| setting.secret)
        .flat_map(|setting| setting.variables)
        .copied()
        // A scenario that talks to the platform's PostgreSQL as well needs that one's password.
        .filter(|variable| variable.contains("SYNAPSE") || variable.contains("MATRIX"))
        .collect();
    let default = |key: &str| {
        super::settings().find(|setting| setting.key == key).map_or("", |setting| setting.default)
    };
    EXPORTS
        .replace("@PORT@", default("server.port"))
        .replace("@HOST@", default("server.address"))
        .replace("@SERVER_NAME@", default("server.name"))
        .replace("@SECRETS@", &secrets.join(" "))
        .replace("@END@", super::exports::END)
        .replace("@NAMES@", &super::exports::NAMES.join(" | "))
}

const EXPORTS: &str = r#"#!/usr/bin/env bash
# Generated from src/config by `UPDATE=1 cargo test generated::`; do not edit.
# What scenarios may know of the homeserver, to be sourced. Of an installed one the values that it
# runs with, else the environment's, else the defaults. Prints nothing, exports no secret, can be
# sourced twice, works under `set -euo pipefail`.

matrix_synapse_exports() {
    local folder=${MATRIX_SYNAPSE_DATA_DIR:-${HOME:-/nonexistent}/.vrooli/resources/matrix-synapse}
    local name value text=
    if [[ -f $folder/instance.env && -r $folder/instance.env ]]; then
        IFS= read -r -d '' text <"$folder/instance.env" 2>/dev/null || :
    fi
    # Without its last line the file was cut off, and is not believed.
    if [[ $text == *$'\n@END@\n' ]]; then
        # Parsed, not sourced: only these names, and no value that a shell would look at twice.
        while IFS='=' read -r name value || [[ -n $name ]]; do
            case $name in
            @NAMES@) ;;
            *) continue ;;
            esac
            case $value in
            '' | *[!A-Za-z0-9._:/@%~+,=\[\]-]*) continue ;;
            esac
            export "$name=$value"
        done <<<"$text"
    fi
    export MATRIX_SYNAPSE_HOST=${MATRIX_SYNAPSE_HOST:-@HOST@}
    export MATRIX_SYNAPSE_PORT=${MATRIX_SYNAPSE_PORT:-@PORT@}
    export MATRIX_SYNAPSE_SERVER_NAME=${MATRIX_SYNAPSE_SERVER_NAME:-@SERVER_NAME@}
    export MATRIX_SYNAPSE_URL=${MATRIX_SYNAPSE_URL:-http://$MATRIX_SYNAPSE_HOST:$MATRIX_SYNAPSE_PORT}
    export MATRIX_SYNAPSE_BASE_URL=${MATRIX_SYNAPSE_BASE_URL:-$MATRIX_SYNAPSE_URL}
    for name in @SECRETS@ ${!MATRIX_SYNAPSE_@}; do
        case $name in
        *SECRET* | *PASSWORD* | *TOKEN*) unset -v "$name" 2>/dev/null || : ;;
        esac
    done
}
matrix_synapse_exports
unset -f matrix_synapse_exports
"#;

/// The tables of settings, one a section.
fn tables() -> String {
    let mut page = String::new();
    for (section, settings) in sections() {
        writeln!(page, "\n### {section}\n").unwrap();
        page.push_str("| setting | default | variables | meaning |\n| --- | --- | --- | --- |\n");
        for setting in settings {
            page.push_str(&row(setting));
        }
    }
    page
}

fn row(setting: &Setting) -> String {
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
    let variables: Vec<String> = setting.variables.iter().map(|it| code(it)).collect();
    let is_generated = ["made by us", "generated"].iter().any(|it| setting.doc.contains(it));
    // Other secrets only somebody else can know.
    let default =
        if setting.secret && is_generated { "generated".to_owned() } else { code(setting.default) };
    let meaning = setting.doc.replace('\n', " ").replace('|', "\\|");
    format!("| `{}` | {default} | {} | {meaning} |\n", setting.key, variables.join(", "))
}

/// Compares a file of the sources with what it must be, or writes it.
pub(crate) fn compare(name: &str, wanted: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found == wanted {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "how a person asks a test to write")]
    let update = std::env::var_os("UPDATE").is_some();
    assert!(
        update,
        "`{name}` is not what the sources say; `UPDATE=1 cargo test --lib generated::` writes it"
    );
    crate::files::write_atomically(&path, wanted.as_bytes(), crate::files::PUBLIC).unwrap();
}

/// The same for the part of a document between `<!-- NAME: generated -->` and `<!-- /NAME -->`.
pub(crate) fn compare_part(document: &str, name: &str, wanted: &str) {
    let begin = format!("<!-- {name}: generated -->\n");
    let end = format!("<!-- /{name} -->");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let found = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = found.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    compare(document, &format!("{before}{begin}\n{}\n\n{end}{after}", wanted.trim()));
}

mod generated {
    #[test]
    fn the_schema_is_what_the_settings_say() {
        super::compare("config/schema.json", &super::schema());
    }

    #[test]
    fn the_shell_defaults_are_what_the_settings_say() {
        super::compare("config/defaults.sh", &super::defaults());
    }

    #[test]
    fn the_shell_exports_are_what_the_settings_say() {
        super::compare("config/exports.sh", &super::exports());
    }

    #[test]
    fn the_reference_lists_all_settings() {
        super::compare_part("docs/reference-settings.md", "settings", &super::tables());
    }
}
