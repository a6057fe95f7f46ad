//! The operator's own Synapse settings, `homeserver.d/*.yaml`: merged last, in the order of their
//! names. Maps are merged deeply, everything else is replaced; modules of ours stay beside theirs.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::Error;
use crate::{data_dir::DataDir, files as disk};

/// What an override may not touch, and what to do instead: all that names a secret, a port, a path or
/// a database that this program makes and others read.
const OWNED: &[(&str, &str)] = &[
    ("server_name", "`config set server.name NAME`, before there are users"),
    ("public_baseurl", "`config set server.public_url URL`"),
    ("listeners", "`config set server.port PORT`, `server.address` and `server.metrics_port`"),
    ("enable_metrics", "take it out: metrics are always on, on loopback"),
    ("metrics_port", "`config set server.metrics_port PORT`"),
    ("pid_file", "take it out: the supervisor keeps the process"),
    ("daemonize", "take it out: the supervisor keeps the process"),
    ("log_config", "`config set synapse.log_level LEVEL`"),
    ("media_store_path", "take it out: media are in the data folder"),
    ("signing_key", "take it out: the key is in the secrets folder"),
    ("signing_key_path", "take it out: the key is in the secrets folder"),
    ("macaroon_secret_key", "take it out: the secret is in the secrets folder"),
    ("macaroon_secret_key_path", "take it out: the secret is in the secrets folder"),
    ("form_secret", "take it out: the secret is in the secrets folder"),
    ("form_secret_path", "take it out: the secret is in the secrets folder"),
    ("registration_shared_secret", "`config set synapse.registration_secret`"),
    ("registration_shared_secret_path", "`config set synapse.registration_secret`"),
    ("enable_registration", "`config set synapse.registration true` opens it, with tokens"),
    (
        "enable_registration_without_verification",
        "`config set synapse.registration true` opens it, with tokens",
    ),
    ("registration_requires_token", "`config set synapse.registration true` opens it, with tokens"),
    ("app_service_config_files", "`content add-bridge custom --name NAME --registration FILE`"),
    ("jwt_config", "take it out: this program opens its own sessions with it"),
    ("redis", "`config set redis.host HOST` and its neighbours"),
    ("instance_map", "`config set workers.list LIST`"),
    ("stream_writers", "`config set workers.list LIST`"),
    ("federation_sender_instances", "`config set workers.list LIST`"),
    ("pusher_instances", "`config set workers.list LIST`"),
    ("worker_replication_secret", "take it out: the secret is in the secrets folder"),
    ("worker_replication_secret_path", "take it out: the secret is in the secrets folder"),
    ("databases", "`config set database.name NAME` and its neighbours"),
    ("database.name", "take it out: the database is PostgreSQL"),
    ("database.args.host", "`config set database.host HOST`"),
    ("database.args.port", "`config set database.port PORT`"),
    ("database.args.user", "`config set database.user NAME`"),
    ("database.args.dbname", "`config set database.name NAME`"),
    ("database.args.database", "`config set database.name NAME`"),
    ("database.args.password", "`config set database.password`"),
    ("database.args.passfile", "`config set database.password`"),
    ("database.args.sslmode", "`config set database.tls MODE`"),
];

/// A list that is ours only where we have one: in the place of ours nobody would find what is in it.
const STORE: (&str, &str) =
    ("media_storage_providers", "`config set media.s3_bucket ''` leaves the stores to you");

/// One file of the operator.
pub(super) struct Override {
    pub(super) path: PathBuf,
    pub(super) content: Value,
}

/// The operator's files, in order.
pub(crate) fn paths(data: &DataDir) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = match fs::read_dir(data.overrides()) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    paths.retain(|path| path.extension().is_some_and(|it| it == "yaml" || it == "yml"));
    paths.sort();
    paths
}

/// All of them, in order; none of them touches what is ours.
pub(super) fn read(data: &DataDir) -> Result<Vec<Override>, Error> {
    paths(data).into_iter().filter_map(|path| one(path).transpose()).collect()
}

fn one(path: PathBuf) -> Result<Option<Override>, Error> {
    let text = disk::read(&path)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let content: Value =
        parse(&text).map_err(|source| Error::Yaml { path: path.clone(), source: source.into() })?;
    match &content {
        Value::Null => return Ok(None),
        Value::Object(_) => {}
        _ => return Err(Error::Shape(path)),
    }
    for (key, instead) in OWNED {
        if touches(&content, key) {
            return Err(Error::Owned { key, path, instead });
        }
    }
    Ok(Some(Override { path, content }))
}

/// YAML as Synapse's own reader understands it: old octal numbers, `yes` and `no`.
pub(super) fn parse(text: &str) -> Result<Value, serde_yaml::Error> {
    // Its lines may hold secrets: an error names only its place.
    let options = serde_yaml::options! { legacy_octal_numbers: true, with_snippet: false };
    serde_yaml::from_str_with_options(text, options)
}

/// Whether the mapping sets that path, or something that would wipe it out.
fn touches(content: &Value, key: &str) -> bool {
    let mut here = content;
    for word in key.split('.') {
        match here {
            Value::Object(map) => match map.get(word) {
                Some(value) => here = value,
                None => return false,
            },
            _ => return true,
        }
    }
    true
}

/// Merges one file into what we render. Where that holds a mapping or a list and the file something
/// else, Synapse would stumble: that key is refused.
pub(super) fn merge_file(base: &mut Value, file: Override) -> Result<(), Error> {
    if let Some((key, expected, found)) = misfit(base, &file.content) {
        let why = format!("it must be {expected} and is {found}");
        return Err(Error::Misshapen { key, path: file.path, why });
    }
    let (key, instead) = STORE;
    if base.get(key).is_some() && file.content.get(key).is_some() {
        return Err(Error::Owned { key, path: file.path, instead });
    }
    merge(base, file.content);
    Ok(())
}

/// Puts our modules behind the operator's, which replace only those of an earlier file. Synapse names one that is
/// wrong by its place.
pub(super) fn keep_modules(merged: &mut Value, ours: &[Value]) {
    if ours.is_empty() {
        return;
    }
    let is_ours = |it: &Value| ours.iter().any(|our| our["module"] == it["module"]);
    let all = merged["modules"].as_array().into_iter().flatten();
    let theirs = all.filter(|it| !is_ours(it)).cloned();
    merged["modules"] = theirs.chain(ours.iter().cloned()).collect();
}

/// The first key whose value is of another shape than ours, with both shapes.
fn misfit(base: &Value, over: &Value) -> Option<(String, &'static str, &'static str)> {
    let (Value::Object(base), Value::Object(over)) = (base, over) else { return None };
    over.iter().find_map(|(key, value)| match base.get(key)? {
        Value::Null => None,
        // Nothing may stand for a list or a single value.
        ours if value.is_null() && !ours.is_object() => None,
        ours if shape(ours) != shape(value) => Some((key.clone(), shape(ours), shape(value))),
        ours => misfit(ours, value).map(|(inner, a, b)| (format!("{key}.{inner}"), a, b)),
    })
}

const DEFAULT_POWERS: &str = "default_power_level_content_override";

/// Refuses files that give the operator its power in rooms by name. From room version 12 on whoever makes
/// a room has all power, and the server refuses a room whose power levels name them.
pub(super) fn let_operator_make_rooms(
    merged: &Value,
    operator: &str,
    files: &[PathBuf],
) -> Result<(), Error> {
    let version = merged["default_room_version"].as_str().and_then(|it| it.parse::<u32>().ok());
    if version.is_none_or(|version| version < 12) {
        return Ok(());
    }
    let presets = merged[DEFAULT_POWERS].as_object().into_iter().flatten();
    let mut named = presets.filter(|(_, powers)| powers["users"].get(operator).is_some());
    match (named.next(), files.last()) {
        (Some((preset, _)), Some(path)) => Err(Error::Misshapen {
            key: format!("{DEFAULT_POWERS}.{preset}.users.{operator}"),
            path: path.clone(),
            why: "it makes rooms, and in a room of version 12 its maker has all power and must not be \
                  named, so it could make none"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Whether a file says something of the power levels of new rooms.
pub(super) fn gives_powers(file: &Override) -> bool {
    file.content.get(DEFAULT_POWERS).is_some()
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "a mapping",
        Value::Array(_) => "a list",
        Value::Null => "nothing",
        _ => "a single value",
    }
}

fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_are_merged_and_lists_replaced() {
        let mut base = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        merge(&mut base, json!({"a": {"c": [3]}, "e": {"f": 2}}));
        assert_eq!(base, json!({"a": {"b": 1, "c": [3]}, "d": 1, "e": {"f": 2}}));
    }

    #[test]
    fn a_value_of_another_shape_is_named_with_its_key() {
        let base = json!({"rc": {"a": {"b": 1}}, "list": [1], "one": 1});
        let refused = |over| misfit(&base, &over).map(|it| it.0);
        assert_eq!(refused(json!({"rc": []})).unwrap(), "rc");
        assert_eq!(refused(json!({"rc": null})).unwrap(), "rc");
        assert_eq!(refused(json!({"rc": {"a": 5}})).unwrap(), "rc.a");
        assert_eq!(refused(json!({"list": {"a": 1}})).unwrap(), "list");
        assert_eq!(
            refused(json!({"rc": {"a": {"b": 2}}, "list": [], "one": "x", "new": {}})),
            None
        );
    }

    #[test]
    fn power_that_the_operator_has_anyway_is_refused_where_it_would_stop_all_rooms() {
        let merged = |version: &str, user: &str| {
            json!({
                "default_room_version": version,
                "default_power_level_content_override": {
                    "public_chat": null, "private_chat": { "users": { user: 100 } },
                },
            })
        };
        let judged = |merged: &Value| {
            let files = ["/d/rooms.yaml".into()];
            let_operator_make_rooms(merged, "@op:x.org", &files).map_err(|it| it.to_string())
        };
        let refused = judged(&merged("12", "@op:x.org")).unwrap_err();
        let key = "`default_power_level_content_override.private_chat.users.@op:x.org`";
        assert!(refused.starts_with(&format!("{key} in `/d/rooms.yaml`")), "{refused}");
        judged(&merged("11", "@op:x.org")).unwrap();
        judged(&merged("12", "@bob:x.org")).unwrap();
        judged(&json!({ "default_room_version": "12" })).unwrap();
    }

    #[test]
    fn what_is_ours_is_refused_at_any_depth() {
        assert!(touches(
            &json!({"database": {"args": {"password": "x"}}}),
            "database.args.password"
        ));
        assert!(touches(&json!({"database": null}), "database.args.password"));
        assert!(!touches(&json!({"database": {"txn_limit": 1}}), "database.args.password"));
    }

    #[test]
    fn stores_of_media_are_the_operators_where_none_is_ours() {
        let file = || Override {
            path: "/a.yaml".into(),
            content: json!({"media_storage_providers": [{"module": "theirs"}]}),
        };
        let (mut none, mut ours) = (json!({}), json!({"media_storage_providers": [{}]}));
        merge_file(&mut none, file()).unwrap();
        assert_eq!(none["media_storage_providers"][0]["module"], "theirs");
        let error = merge_file(&mut ours, file()).unwrap_err();
        assert!(matches!(error, Error::Owned { key: "media_storage_providers", .. }), "{error}");
    }

    #[test]
    fn words_are_read_as_synapse_reads_them() {
        assert_eq!(
            parse("a: yes\nb: 0600\nc: 'no'").unwrap(),
            json!({"a": true, "b": 384, "c": "no"})
        );
    }
}
