//! `status --watch`: how the homeserver is, again with every change.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::table;
use crate::{
    clock,
    commands::reply::{self, Lines},
    context::Context,
    error::Failure,
    instance::status::{self, State, Status},
    output::Report,
    reply::Outcome,
    supervisor::control::{Request, Stream},
};

/// How long it is not looked although nothing is told: the memory and the answer of the server change
/// by themselves.
const PAUSE: Duration = Duration::from_secs(2);

/// How it was at a moment.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Watched(Status);

/// Until it is interrupted, or nobody reads any more.
pub(super) fn stream(only: Option<Vec<String>>) -> reply::Stream<Watched> {
    reply::Stream::new(async move |context, lines| watch(context, only.as_deref(), lines).await)
}

async fn watch(
    context: &Context,
    only: Option<&[String]>,
    lines: Lines<'_, Watched>,
) -> Result<Outcome, Failure> {
    let data = &context.data()?;
    let socket = data.control_socket();
    let mut screen = lines.screen();
    let (mut stream, mut last) = (None, None);
    loop {
        let mut now = Watched(status::of(data, only).await?);
        if !now.0.installed
            && let Ok(config) = context.config()
        {
            now.0.would_be(config);
        }
        let what = essence(&now);
        if screen.is_drawn() || last.as_ref() != Some(&what) {
            if !lines.show(&mut screen, &now)? {
                return Ok(Outcome::Done);
            }
            last = Some(what);
        }
        let until = Instant::now() + PAUSE;
        if stream.is_none() {
            stream = Stream::open(&socket, &Request::Subscribe).await?;
        }
        // The first snapshot tells nothing new: it is what was shown just now, or soon is.
        let next = async {
            match &mut stream {
                Some(open) => match timeout_at(until, open.next()).await {
                    Ok(Ok(Some(_))) | Err(_) => {}
                    Ok(_) => stream = None,
                },
                None => sleep_until(until).await,
            }
        };
        if lines.while_read(next).await.is_none() {
            return Ok(Outcome::Done);
        }
    }
}

/// What counts as a change: not that time passes.
fn essence(now: &Watched) -> Value {
    fn without(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|key, _| !["uptime_seconds", "memory_bytes"].contains(&key.as_str()));
                map.values_mut().for_each(without);
            }
            Value::Array(items) => items.iter_mut().for_each(without),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(now).unwrap_or_default();
    without(&mut value);
    value
}

impl Report for Watched {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Self(status) = self;
        let mark = match status.state {
            State::Running => "✅",
            State::NotInstalled => "❌",
            _ => "⚠️ ",
        };
        let name = status.server_name.as_deref().unwrap_or_default();
        let time = clock::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        writeln!(page, "{time} {mark} {name} {}", status.health_message)?;
        if status.services.is_empty() { Ok(()) } else { table(page, &status.services) }
    }
}
