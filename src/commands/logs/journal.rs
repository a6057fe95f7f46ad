//! The lines of services that somebody else keeps, which are where he puts them.

use std::process::Stdio;

use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{Logs, Part, Shown, masked};
use crate::{
    commands::{
        Reply,
        reply::{Live, Stream},
    },
    context::Context,
    error::Failure,
    instance::lifecycle::select,
    process,
    reply::{Outcome, Stop},
    supervisor::{
        kept::{Keeper, Kept},
        log::read::Line,
    },
};

/// How many lines are shown where nothing else is said.
const USUAL: usize = 50;

pub(super) async fn show(
    kept: &Kept,
    words: &[String],
    part: &Part,
    context: &Context,
) -> Result<Live<Logs, Shown>, Stop> {
    let there: Vec<_> =
        kept.services.iter().map(|fact| (fact.name.as_str(), fact.tags.as_slice())).collect();
    let mut names = select::resolve(words, &there)?;
    if names.is_empty() {
        names = there.iter().map(|(name, _)| (*name).to_owned()).collect();
    }
    let count = part.tail.or_else(|| part.since.is_none().then_some(USUAL));
    let since = part.since.map(|since| since.to_string());
    let mut command = kept.lines_of(&names, count, since.as_deref(), part.follow);
    let named = names.clone();
    let masked = masked(context, names)?;
    let keeper = kept.keeper.clone();
    let line = move |text: &str| {
        // In a pod there is more than what has a name of ours.
        let line = read(&keeper, text).filter(|line| named.contains(&line.service))?;
        Some(masked(line))
    };
    if part.follow {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(unread)?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::environment("it says nothing"))?;
        return Ok(Live::Stream(Stream::new(async move |_, out| {
            let _child = child;
            let mut lines = BufReader::new(stdout).lines();
            while let Some(Ok(Some(text))) = out.while_read(lines.next_line()).await {
                if let Some(shown) = line(&text)
                    && !out.emit(&shown)?
                {
                    break;
                }
            }
            Ok(Outcome::Done)
        })));
    }
    let text = process::tool(&mut command).await?;
    let mut lines: Vec<Shown> = text.lines().filter_map(line).collect();
    // Several pods come one after the other.
    lines.sort_by(|a, b| a.line.time.cmp(&b.line.time));
    Ok(Live::Reply(Reply::done_if(!lines.is_empty(), Logs { total: lines.len(), lines })))
}

fn unread(source: std::io::Error) -> process::Error {
    process::Error::Start { program: "journalctl".to_owned(), source }
}

fn read(keeper: &Keeper, text: &str) -> Option<Line> {
    match keeper {
        Keeper::Systemd(systemd) => record(text, &format!("{}-", systemd.prefix)),
        Keeper::Compose(_) => prefixed(text),
        Keeper::Kubernetes(_) => of_pod(text),
    }
}

/// A line of `docker compose logs --timestamps`: `synapse-1  | 2026-11-30T19:18:51.123456789Z ready`.
fn prefixed(text: &str) -> Option<Line> {
    let (name, rest) = text.split_once('|')?;
    let name = name.trim();
    let service = name.rsplit_once('-').map_or(name, |(service, _)| service).to_owned();
    let (time, message) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
    let at = time.parse::<Timestamp>().ok()?;
    Some(Line { time: Some(shown(at)), service, message: message.to_owned() })
}

/// A line of `kubectl logs --prefix --timestamps`: `[pod/matrix-synapse-0/synapse] 2026-11-30T19:18:51.123456789Z ready`.
fn of_pod(text: &str) -> Option<Line> {
    let (from, rest) = text.strip_prefix('[')?.split_once("] ")?;
    let service = from.rsplit_once('/')?.1.to_owned();
    let (time, message) = rest.split_once(' ').unwrap_or((rest, ""));
    let at = time.parse::<Timestamp>().ok()?;
    Some(Line { time: Some(shown(at)), service, message: message.to_owned() })
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A record of the journal (systemd.journal-fields(7)).
fn record(text: &str, prefix: &str) -> Option<Line> {
    let record: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| record[name].as_str();
    // What systemd says of a unit names it elsewhere than what the unit says.
    let unit = ["UNIT", "USER_UNIT", "_SYSTEMD_USER_UNIT", "_SYSTEMD_UNIT"];
    let unit = unit.into_iter().filter_map(field).find_map(|unit| unit.strip_prefix(prefix))?;
    let service = unit.rsplit_once('.').map_or(unit, |(name, _)| name).to_owned();
    let message = match &record["MESSAGE"] {
        Value::String(text) => text.clone(),
        // Bytes that are no text.
        Value::Array(bytes) => {
            let bytes = bytes.iter().filter_map(|it| u8::try_from(it.as_u64()?).ok());
            String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
        }
        _ => return None,
    };
    let time = field("__REALTIME_TIMESTAMP").and_then(|it| it.parse::<i64>().ok());
    let time = time.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    Some(Line { time: time.map(shown), service, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_container_is_one_of_its_service() {
        let line =
            prefixed("event-persister-1-1  | 2026-11-30T19:18:51.123456789Z it runs").unwrap();
        assert_eq!(
            (line.service.as_str(), line.message.as_str()),
            ("event-persister-1", "it runs")
        );
        assert_eq!(line.time.unwrap(), "2026-11-30T19:18:51.123Z");
    }

    #[test]
    fn a_line_of_a_pod_is_one_of_its_container() {
        let line =
            of_pod("[pod/m-synapse-0/hooks] 2026-11-30T19:18:51.123456789Z it runs").unwrap();
        assert_eq!((line.service.as_str(), line.message.as_str()), ("hooks", "it runs"));
        assert_eq!(line.time.unwrap(), "2026-11-30T19:18:51.123Z");
    }

    #[test]
    fn a_record_of_the_journal_is_a_line_of_its_service() {
        let own = r#"{"__REALTIME_TIMESTAMP":"1780000000123456","_SYSTEMD_UNIT":"a-synapse.service","MESSAGE":"ready"}"#;
        let line = record(own, "a-").unwrap();
        assert_eq!((line.service.as_str(), line.message.as_str()), ("synapse", "ready"));
        assert_eq!(line.time.unwrap(), "2026-05-28T20:26:40.123Z");
        let said = r#"{"_SYSTEMD_UNIT":"init.scope","UNIT":"a-redis.service","MESSAGE":[79,75]}"#;
        let line = record(said, "a-").unwrap();
        assert_eq!((line.service.as_str(), line.message.as_str()), ("redis", "OK"));
        assert!(record(r#"{"_SYSTEMD_UNIT":"b.service","MESSAGE":"x"}"#, "a-").is_none());
    }
}
