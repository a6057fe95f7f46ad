//! Services of the operator's own: `services:` in `settings.yaml`, a name each. Here is what they are
//! said to be; `services::custom` makes processes of it.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use crate::config::{
    Error,
    sections::stack::PARTS,
    values::{
        fields::{self, Fields, Variables, wrong},
        shape::{Port, Shape as _, Span, words},
    },
};

/// Names that are ours, whatever the profile: of services, of their logs, of parts of profiles.
const OURS: &[&str] = &[
    "account",
    "alerts",
    "autoscale",
    "backups",
    "certificates",
    "crypto",
    "database",
    "dendrite",
    "forkserver",
    "hooks",
    "relay",
    "metrics",
    "network",
    "postgres",
    "postgres-setup",
    "prepare",
    "proxy",
    "redis",
    "supervisor",
    "synapse",
    "turn",
    "watch",
];

#[derive(Clone, Debug)]
pub(crate) struct Custom {
    pub(crate) name: String,
    pub(crate) summary: String,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Where it runs; relative to the data folder, which is the default.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) environment: Variables,
    /// Files of `NAME=value` lines, a later one over an earlier one, `environment` over all.
    pub(crate) env_files: Vec<PathBuf>,
    pub(crate) needs: Vec<(String, Condition)>,
    pub(crate) health: Option<Health>,
    pub(crate) restart: Restart,
    pub(crate) stop_signal: StopSignal,
    /// How long it may take to end before it is killed.
    pub(crate) stop_grace: Option<Span>,
    pub(crate) tags: Vec<String>,
    pub(crate) endpoints: BTreeMap<String, String>,
}

words! {
    Condition { Started = "started", Healthy = "healthy", Completed = "completed" }
}

words! {
    Restart { Always = "always", OnFailure = "on-failure", Never = "never" }
}

words! {
    StopSignal {
        Term = "TERM",
        Int = "INT",
        Quit = "QUIT",
        Hup = "HUP",
        Usr1 = "USR1",
        Usr2 = "USR2",
    }
}

words! {
    /// How it is asked.
    Asked { Http = "http", Tcp = "tcp", Exec = "exec" }
}

#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) question: Question,
    pub(crate) interval: Option<Span>,
    pub(crate) timeout: Span,
    /// Restart it when its answers have been bad for so long.
    pub(crate) hung_after: Option<Span>,
}

#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// A GET there has to answer with a status from 200 to 399.
    Http(String),
    /// Something has to listen there.
    Tcp(String),
    /// This command has to succeed.
    Exec(Vec<String>),
}

/// All that are defined, in the order of their names.
pub(crate) fn read(value: Option<&Value>) -> Result<Vec<Custom>, Error> {
    let entries = fields::entries("services", value)?;
    entries.into_iter().map(|(path, name, value)| service(path, name, value)).collect()
}

fn service(path: String, name: &str, value: &Value) -> Result<Custom, Error> {
    fields::check_name(&path, name)?;
    let bare = name.strip_prefix("matrix-").unwrap_or(name);
    if OURS.contains(&bare) || PARTS.iter().any(|(part, _)| *part == bare) {
        return Err(wrong(path, "has a name that is ours: choose another"));
    }
    let mut fields = Fields::of(path, value)?;
    let command = match fields.value("command") {
        Some(value) => command(&fields.path("command"), value)?,
        None => return Err(fields.missing("command")),
    };
    let custom = Custom {
        name: name.to_owned(),
        summary: fields.read("summary")?.unwrap_or_else(|| "a service of your own".to_owned()),
        command,
        folder: fields.read::<String>("folder")?.map(PathBuf::from),
        environment: fields.variables("environment")?,
        env_files: list(&mut fields, "env_files")?.into_iter().map(PathBuf::from).collect(),
        needs: needs(&mut fields)?,
        health: health(&mut fields)?,
        restart: fields.read("restart")?.unwrap_or(Restart::Always),
        stop_signal: fields.read("stop_signal")?.unwrap_or(StopSignal::Term),
        stop_grace: fields.read("stop_grace")?,
        tags: list(&mut fields, "tags")?,
        endpoints: endpoints(&mut fields)?,
    };
    fields.end()?;
    Ok(custom)
}

/// A list of texts, or one text.
fn list(fields: &mut Fields<'_>, key: &'static str) -> Result<Vec<String>, Error> {
    match fields.value(key) {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        _ => Ok(fields.read(key)?.unwrap_or_default()),
    }
}

/// A list of words, or a line that is parted into words as a shell would, without a shell.
fn command(path: &str, value: &Value) -> Result<Vec<String>, Error> {
    /// What only a shell understands.
    const SHELL: [&str; 8] = ["|", "||", "&&", "&", ";", ">", ">>", "<"];
    let words = match value {
        Value::String(line) => {
            let words = shlex::split(line).ok_or_else(|| wrong(path, "has an open quote"))?;
            if let Some(word) = words.iter().find(|word| SHELL.contains(&word.as_str())) {
                let reason = format!(
                    "is not read by a shell, so `{word}` means nothing: write it as `sh -c '…'`"
                );
                return Err(wrong(path, reason));
            }
            words
        }
        value => Vec::read(value).map_err(|reason| wrong(path, reason))?,
    };
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(wrong(path, "names no program")),
    }
}

/// `{synapse: healthy}`, or a list of names that have to be healthy.
fn needs(fields: &mut Fields<'_>) -> Result<Vec<(String, Condition)>, Error> {
    let path = fields.path("needs");
    match fields.value("needs") {
        Some(Value::Array(_)) => {
            let names: Vec<String> = fields.read("needs")?.unwrap_or_default();
            Ok(names.into_iter().map(|name| (name, Condition::Healthy)).collect())
        }
        value => fields::entries(&path, value)?
            .into_iter()
            .map(|(path, name, value)| match Condition::read(value) {
                Ok(condition) => Ok((name.clone(), condition)),
                Err(reason) => Err(wrong(path, reason)),
            })
            .collect(),
    }
}

fn health(fields: &mut Fields<'_>) -> Result<Option<Health>, Error> {
    const LONGEST: Span = Span(std::time::Duration::from_secs(5));
    let Some(value) = fields.value("health") else { return Ok(None) };
    let mut fields = Fields::of(fields.path("health"), value)?;
    let asked = fields.read("type")?.ok_or_else(|| fields.missing("type"))?;
    let question = match asked {
        Asked::Http => {
            let (url, port) = (fields.read("url")?, fields.read::<Port>("port")?);
            let path: Option<String> = fields.read("path")?;
            let path = path.unwrap_or_default();
            let made = port
                .map(|port| format!("http://127.0.0.1:{port}/{}", path.trim_start_matches('/')));
            let url: String = url.or(made).ok_or_else(|| fields.missing("url"))?;
            let host = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
            if !host.is_some_and(|host| host.rsplit_once(':').is_some_and(has_port)) {
                return Err(wrong(
                    fields.path("url"),
                    "must be like `http://127.0.0.1:3000/health`",
                ));
            }
            Question::Http(url)
        }
        Asked::Tcp => {
            let (address, port) = (fields.read("address")?, fields.read::<Port>("port")?);
            let made = port.map(|port| format!("127.0.0.1:{port}"));
            let address: String = address.or(made).ok_or_else(|| fields.missing("port"))?;
            if !address.rsplit_once(':').is_some_and(has_port) {
                return Err(wrong(fields.path("address"), "must be like `127.0.0.1:3000`"));
            }
            Question::Tcp(address)
        }
        Asked::Exec => {
            let value = fields.value("command").ok_or_else(|| fields.missing("command"))?;
            Question::Exec(command(&fields.path("command"), value)?)
        }
    };
    let health = Health {
        question,
        interval: fields.read("interval")?,
        timeout: fields.read("timeout")?.unwrap_or(LONGEST),
        hung_after: fields.read("hung_after")?,
    };
    if health.timeout.0.is_zero() || health.interval.is_some_and(|span| span.0.is_zero()) {
        return Err(wrong(fields.path("timeout"), "and `interval` must be greater than zero"));
    }
    fields.end()?;
    Ok(Some(health))
}

fn has_port((host, port): (&str, &str)) -> bool {
    !host.is_empty() && Port::read(&port.into()).is_ok()
}

fn endpoints(fields: &mut Fields<'_>) -> Result<BTreeMap<String, String>, Error> {
    let path = fields.path("endpoints");
    let entries = fields::entries(&path, fields.value("endpoints"))?;
    let endpoint = |(path, name, value): (String, &String, &Value)| match value.as_str() {
        Some(url) if url.contains("://") => Ok((name.clone(), url.to_owned())),
        _ => Err(wrong(path, "must be an address such as `http://127.0.0.1:3000`")),
    };
    entries.into_iter().map(endpoint).collect()
}

/// A service, for the schema of `settings.yaml`.
#[cfg(test)]
pub(crate) fn schema() -> Value {
    use serde_json::json;
    let text = json!({ "type": "string" });
    let texts = json!({ "type": ["string", "array"], "items": { "type": "string" } });
    let map = json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "null"] } });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["command"],
        "properties": {
            "summary": text, "command": texts, "folder": text, "environment": map, "env_files": texts,
            "needs": {
                "type": ["object", "array"],
                "additionalProperties": Condition::schema(), "items": { "type": "string" },
            },
            "health": {
                "type": "object",
                "additionalProperties": false,
                "required": ["type"],
                "properties": {
                    "type": Asked::schema(), "url": text, "port": Port::schema(), "path": text,
                    "address": text, "command": texts, "interval": Span::schema(),
                    "timeout": Span::schema(), "hung_after": Span::schema(),
                },
            },
            "restart": Restart::schema(), "stop_signal": StopSignal::schema(),
            "stop_grace": Span::schema(), "tags": texts, "endpoints": map,
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(yaml: &str) -> Result<Custom, String> {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        service("services.bot".to_owned(), "bot", &value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_service_is_read_with_all_it_says() {
        let bot = one("
            summary: answers
            command: python3 'my bot.py' --port 3000
            needs: {synapse: healthy}
            health: {type: http, port: 3000, path: /health, timeout: 2s}
            restart: on-failure
            stop_signal: INT
            stop_grace: 3s
            environment: {LEVEL: 3, TOKEN: hunter22}
            tags: bots
            endpoints: {api: 'http://127.0.0.1:3000'}
        ");
        let bot = bot.unwrap();
        assert_eq!(bot.command, ["python3", "my bot.py", "--port", "3000"]);
        assert_eq!(bot.needs, [("synapse".to_owned(), Condition::Healthy)]);
        assert_eq!(bot.environment["LEVEL"].expose(), "3");
        assert!(!format!("{bot:?}").contains("hunter22"));
        let Some(Health { question: Question::Http(url), timeout, .. }) = bot.health else {
            panic!("no health")
        };
        assert_eq!(
            (url.as_str(), timeout.to_string()),
            ("http://127.0.0.1:3000/health", "2s".into())
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path_and_no_value_of_a_variable() {
        for (yaml, expected) in [
            ("comand: x", "`services.bot.command` is missing, and `comand` is not known"),
            (
                "{command: x, healht: {}}",
                "there is no `services.bot.healht`; did you mean `services.bot.health`?",
            ),
            ("{command: [x, [y]]}", "`services.bot.command` must be a single value"),
            ("command: \"x 'y\"", "`services.bot.command` has an open quote"),
            ("command: x | y", "is not read by a shell, so `|` means nothing"),
            ("command: ''", "`services.bot.command` names no program"),
            (
                "{command: x, restart: alwys}",
                "must be one of: always on-failure never: it is `alwys`",
            ),
            ("{command: x, needs: {a: fine}}", "`services.bot.needs.a` must be one of: started"),
            (
                "{command: x, health: {type: ping}}",
                "`services.bot.health.type` must be one of: http",
            ),
            ("{command: x, health: {type: tcp}}", "`services.bot.health.port` is missing"),
            ("{command: x, health: {type: tcp, address: here}}", "must be like `127.0.0.1:3000`"),
            ("{command: x, health: {type: http, url: 'https://a:1/'}}", "must be like `http://"),
            ("{command: x, environment: {A B: hunter22}}", "is no name of a variable"),
            (
                "{command: x, environment: {AB: [hunter22]}}",
                "`services.bot.environment.AB` must be a text",
            ),
            ("{command: x, endpoints: {api: 3000}}", "must be an address such as"),
            ("[]", "`services.bot` must be a mapping"),
        ] {
            let error = one(yaml).unwrap_err();
            assert!(error.contains(expected), "{yaml}: {error}");
            assert!(!error.contains("hunter22"), "{error}");
        }
    }

    #[test]
    fn a_name_of_ours_is_refused() {
        for name in ["synapse", "matrix-postgres", "supervisor", "core"] {
            let value = json!({ "command": "x" });
            let error = service(format!("services.{name}"), name, &value).unwrap_err().to_string();
            assert!(error.contains("has a name that is ours"), "{error}");
        }
        assert!(service(String::new(), "Bot", &json!({ "command": "x" })).is_err());
    }
}
