//! `content list-bridges`.

use crate::commands::content::{answer::Answer, arguments::Patience};
use serde_json::{Value, json};

use crate::{
    bridges::{self, Found},
    commands::{Outcome, Result},
    config::{Config, values::shape::Words as _},
    context::Context,
    error::Failure,
    instance::{self, status},
    output::{Output, table},
    supervisor::{record::Snapshot, state::Phase},
};

const HEADING: [&str; 6] = ["BRIDGE", "KIND", "STATE", "ID", "PORT", "LAST PING"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Ask each of them now, through Synapse
    #[arg(long)]
    ping: bool,
    #[command(flatten)]
    patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let config = context.config()?;
    let now = context.supervisor().await?;
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for found in bridges::all(&config.data)? {
        if args.ping && now.is_some() {
            ask(config, &found, args.patience).await?;
        }
        let line = line(config, &found, now.as_ref()).await;
        let cell = |key: &str| match &line[key] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let ping = match bridges::ping(&config.data, found.name()) {
            None => "never".to_owned(),
            Some(ping) => format!("{}, {}", ping.text(), ping.at),
        };
        if let Some(message) = line["message"].as_str() {
            output.warn(message);
        }
        rows.push(vec![cell("name"), cell("kind"), cell("state"), cell("id"), cell("port"), ping]);
        all.push(line);
    }
    let names: Vec<String> = rows.iter().map(|row| row[0].clone()).collect();
    let mut text = String::new();
    table(&mut text, &HEADING, rows).ok();
    let fields = json!({ "total": all.len(), "bridges": all });
    output.emit(&Answer::page(text, Some(names.join("\n")), fields));
    Ok(Outcome::Done)
}

async fn ask(
    config: &Config,
    found: &Found,
    patience: Patience,
) -> std::result::Result<(), Failure> {
    if let Some((_, registration)) = found.whole().filter(|(_, it)| it.url.is_some()) {
        let wait = patience.given().unwrap_or_default();
        instance::bridges::ask(config, found.name(), registration, wait).await?;
    }
    Ok(())
}

/// `apart` is one whose process is not ours, `lost` one whose files Synapse could not read.
async fn line(config: &Config, found: &Found, now: Option<&Snapshot>) -> Value {
    let name = found.name();
    let noted = found.bridge.as_ref().ok();
    let report = now.and_then(|now| now.services.get(&format!("bridge-{name}")));
    let state = match (found.whole(), report) {
        (None, _) if found.leaving => "leaving",
        (None, _) => "lost",
        (Some(_), Some(report)) => status::word(report.state),
        (Some((bridge, _)), None) if bridge.launch(config).is_none() => "apart",
        (Some(_), None) => status::word(Phase::Stopped),
    };
    let mut message = found.flaw();
    if let (None, Some(bridge), Some(_)) = (&message, noted, now) {
        let flaw = instance::bridges::flaw(config, bridge).await;
        message = flaw.map(|flaw| format!("the bridge `{name}`: {flaw}"));
    }
    json!({
        "name": name,
        "kind": noted.map(|bridge| bridge.asked.kind.word()),
        "state": state,
        "id": noted.map(|bridge| &bridge.id),
        "port": noted.and_then(|bridge| bridge.listens),
        "owner": noted.and_then(|bridge| bridge.asked.owner.as_ref()),
        "database": noted.and_then(|bridge| bridge.database.as_ref()),
        "last_ping": bridges::ping(&config.data, name),
        "message": message,
    })
}
