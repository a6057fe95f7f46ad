//! Profiles: which services run, and what is otherwise for them. Ours are in `stack`; those of the
//! operator's own stand below `profiles:` in `settings.yaml`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::custom::Custom;
use crate::config::{
    Error, find, nearest,
    sections::stack::{self, PARTS, PROFILES, Part},
    settings,
    values::{
        fields::{self, Fields, Variables, wrong},
        setting::{Setting, shown},
    },
};

/// A named set of services, and what it changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) parts: Vec<Part>,
    /// Which of the operator's own services are in it; without a list, all.
    pub(crate) custom: Option<Vec<String>>,
    pub(crate) environment: Overrides,
    /// Settings that it sets, the last one of a key counts.
    pub(crate) settings: Vec<(&'static Setting, Value)>,
}

/// Variables for the processes of a profile; the more particular ones count more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// For all services.
    pub(crate) shared: Variables,
    /// For those that have this tag.
    pub(crate) groups: BTreeMap<String, Variables>,
    pub(crate) services: BTreeMap<String, Variables>,
}

/// Those of the operator's own, in the order of their names.
pub(crate) fn read(value: Option<&Value>, custom: &[Custom]) -> Result<Vec<Profile>, Error> {
    let entries = fields::entries("profiles", value)?;
    entries.into_iter().map(|(path, name, value)| profile(path, name, value, custom)).collect()
}

/// Ours, with all of the operator's own services.
fn ours(name: &str) -> Option<Profile> {
    let found = PROFILES.iter().find(|profile| profile.name == name)?;
    let (name, summary) = (found.name.to_owned(), found.summary.to_owned());
    Some(Profile { name, summary, parts: found.parts.to_vec(), ..Profile::default() })
}

/// The one of that name; the error completes "it …".
pub(crate) fn choose(name: &str, own: &[Profile]) -> Result<Profile, String> {
    let found = own.iter().find(|profile| profile.name == name).cloned().or_else(|| ours(name));
    found.ok_or_else(|| {
        let names = stack::typed().map(|profile| profile.name);
        let all: Vec<&str> = names.chain(own.iter().map(|it| it.name.as_str())).collect();
        format!("must be one of: {}", all.join(" "))
    })
}

fn profile(path: String, name: &str, value: &Value, custom: &[Custom]) -> Result<Profile, Error> {
    fields::check_name(&path, name)?;
    if ours(name).is_some() {
        return Err(wrong(path, "has the name of a built-in profile: choose another"));
    }
    let mut fields = Fields::of(path, value)?;
    let words: Option<Vec<String>> = fields.read("services")?;
    let words = words.ok_or_else(|| fields.missing("services"))?;
    let (parts, chosen) = members(&fields.path("services"), &words, custom)?;
    let mut profile = Profile {
        name: name.to_owned(),
        summary: fields.read("summary")?.unwrap_or_else(|| words.join(", ")),
        parts,
        custom: Some(chosen),
        environment: Overrides::default(),
        settings: Vec::new(),
    };
    if let Some(value) = fields.value("environment") {
        environment(fields.path("environment"), value, &mut profile)?;
    }
    let path = fields.path("settings");
    for (path, key, value) in fields::entries(&path, fields.value("settings"))? {
        let setting = find(key)?;
        let value = if value.is_null() { Value::from("") } else { value.clone() };
        set(&path, setting, value, &mut profile)?;
    }
    fields.end()?;
    Ok(profile)
}

/// The parts and the operator's own services that these words name.
fn members(
    path: &str,
    words: &[String],
    custom: &[Custom],
) -> Result<(Vec<Part>, Vec<String>), Error> {
    let (mut parts, mut chosen) = (Vec::new(), Vec::new());
    for word in words {
        let part = PARTS.iter().find(|(name, _)| name == word).map(|(_, part)| *part);
        if let Some(part) = part {
            parts.push(part);
        } else if let Some(profile) = ours(word) {
            parts.extend(profile.parts);
        } else if custom.iter().any(|service| service.name == *word) {
            chosen.push(word.clone());
        } else {
            let ours = PARTS.iter().map(|(name, _)| *name).chain(stack::typed().map(|it| it.name));
            let all: Vec<&str> = ours.chain(custom.iter().map(|it| it.name.as_str())).collect();
            let nearest = nearest(word, all.iter().copied());
            let hint = nearest.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
            return Err(wrong(
                path,
                format!("names `{word}`, which is neither a part nor a service of yours{hint}"),
            ));
        }
    }
    if !parts.contains(&Part::Core) {
        return Err(wrong(path, "lacks `core`: without it there is no homeserver"));
    }
    Ok((parts, chosen))
}

fn environment(path: String, value: &Value, profile: &mut Profile) -> Result<(), Error> {
    let mut fields = Fields::of(path, value)?;
    let shared = fields.variables("shared")?;
    let mut maps = |key: &'static str| {
        fields::entries(&fields.path(key), fields.value(key))?
            .into_iter()
            .map(|(path, name, value)| Ok((path.clone(), name, fields::variables(&path, value)?)))
            .collect::<Result<Vec<_>, Error>>()
    };
    let (groups, services) = (maps("groups")?, maps("services")?);
    let shared_path = fields.path("shared");
    fields.end()?;
    profile.environment.shared = sorted_out(&shared_path, shared, profile)?;
    for (path, name, variables) in groups {
        let variables = sorted_out(&path, variables, profile)?;
        profile.environment.groups.insert(name.clone(), variables);
    }
    for (path, name, variables) in services {
        let variables = sorted_out(&path, variables, profile)?;
        profile.environment.services.insert(name.clone(), variables);
    }
    Ok(())
}

/// A variable that is a setting of ours sets that, wherever it stands; the others are left.
fn sorted_out(path: &str, variables: Variables, profile: &mut Profile) -> Result<Variables, Error> {
    let mut left = Variables::new();
    for (name, value) in variables {
        let of_ours = settings().find(|setting| setting.variables.contains(&name.as_str()));
        match of_ours {
            Some(setting) => {
                set(&format!("{path}.{name}"), setting, value.expose().into(), profile)?;
            }
            None => drop(left.insert(name, value)),
        }
    }
    Ok(left)
}

fn set(
    path: &str,
    setting: &'static Setting,
    value: Value,
    profile: &mut Profile,
) -> Result<(), Error> {
    if setting.secret {
        return Err(wrong(
            path,
            format!(
                "is a secret: give it with `config set {}`, which keeps it in a private file",
                setting.key
            ),
        ));
    }
    if setting.key == "stack.profile" {
        return Err(wrong(path, "cannot be set by a profile"));
    }
    let refused = |reason| wrong(path, format!("{reason}: it is `{}`", shown(&value)));
    (setting.check)(&value).map_err(refused)?;
    profile.settings.push((setting, value));
    Ok(())
}

/// A profile, for the schema of `settings.yaml`.
#[cfg(test)]
pub(crate) fn schema() -> Value {
    use serde_json::json;
    let variables = json!({
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
    });
    let named = json!({ "type": "object", "additionalProperties": variables });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["services"],
        "properties": {
            "summary": { "type": "string" },
            "services": { "type": "array", "items": { "type": "string" } },
            "environment": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "shared": variables, "groups": named, "services": named },
            },
            "settings": { "type": "object" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(yaml: &str) -> Result<Profile, String> {
        let bot = serde_json::json!({ "bot": { "command": "x" } });
        let custom = super::super::custom::read(Some(&bot)).unwrap();
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        profile("profiles.ops".to_owned(), "ops", &value, &custom).map_err(|it| it.to_string())
    }

    #[test]
    fn a_profile_names_services_variables_and_settings() {
        let profile = one("
            services: [core, redis, bot]
            environment:
              shared: {LOG_LEVEL: debug}
              groups: {homeserver: {A: 1}}
              services: {synapse: {SYNAPSE_LOG_LEVEL: WARNING, B: two}}
            settings: {synapse.presence: true}
        ");
        let profile = profile.unwrap();
        assert_eq!(profile.parts, [Part::Core, Part::Redis]);
        assert_eq!(profile.custom.unwrap(), ["bot"]);
        assert_eq!(profile.environment.shared["LOG_LEVEL"].expose(), "debug");
        // That is a setting of ours.
        assert_eq!(profile.environment.services["synapse"].len(), 1);
        let set: Vec<_> = profile.settings.iter().map(|(it, v)| (it.key, shown(v))).collect();
        let set: Vec<_> = set.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(set, [("synapse.log_level", "WARNING"), ("synapse.presence", "true")]);
    }

    #[test]
    fn what_is_wrong_with_a_profile_is_named() {
        for (yaml, expected) in [
            ("{}", "`profiles.ops.services` is missing"),
            ("services: [bot]", "lacks `core`"),
            (
                "services: [core, bott]",
                "names `bott`, which is neither a part nor a service of yours; did you mean `bot`?",
            ),
            ("{services: [core], enviroment: {}}", "did you mean `profiles.ops.environment`?"),
            (
                "{services: [core], environment: {modules: {}}}",
                "there is no `profiles.ops.environment.modules`",
            ),
            ("{services: [core], settings: {server.prot: 1}}", "did you mean `server.port`?"),
            (
                "{services: [core], settings: {server.port: x}}",
                "`profiles.ops.settings.server.port` must be a port, 1 to 65535: it is `x`",
            ),
            (
                "{services: [core], settings: {database.password: hunter22}}",
                "is a secret: give it with",
            ),
            (
                "{services: [core], environment: {shared: {SYNAPSE_DB_PASSWORD: hunter22}}}",
                "is a secret",
            ),
            ("{services: [core], settings: {stack.profile: core}}", "cannot be set by a profile"),
        ] {
            let error = one(yaml).unwrap_err();
            assert!(error.contains(expected), "{yaml}: {error}");
            assert!(!error.contains("hunter22"), "{error}");
        }
        let value = serde_json::json!({ "services": ["core"] });
        assert!(profile("profiles.full".into(), "full", &value, &[]).is_err());
    }
}
