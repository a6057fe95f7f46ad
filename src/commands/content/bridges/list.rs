//! `content list-bridges`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    bridges::{self, Found, Ping},
    commands::{
        content::arguments::Patience,
        listing::{List, ListArgs, Listed},
    },
    config::{Config, values::shape::Words as _},
    context::Context,
    error::Failure,
    instance::{self, status},
    output::Row,
    reply::Stop,
    supervisor::{record::Snapshot, state::Phase},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Ask each of them now, through Synapse
    #[arg(long)]
    pub(crate) ping: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs<Bridge>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Bridges {}

impl Listed for Bridges {
    type Row = Bridge;
    const KEY: &'static str = "bridges";
}

/// A bridge and how it is; what is not known of a damaged one is null.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Bridge {
    pub(crate) name: String,
    pub(crate) kind: Option<&'static str>,
    /// That of its service; `apart` where its process is not ours, `lost` where its files cannot be read,
    /// `leaving` where it is being removed.
    pub(crate) state: &'static str,
    /// How its registration calls it.
    pub(crate) id: Option<String>,
    /// On which it listens.
    pub(crate) port: Option<u16>,
    /// User who controls the bridge.
    pub(crate) owner: Option<String>,
    /// That it has of its own.
    pub(crate) database: Option<String>,
    /// The last answer to a question through Synapse.
    pub(crate) last_ping: Option<Ping>,
    /// What is wrong with it.
    pub(crate) message: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Bridges>, Stop> {
    let config = context.config()?;
    let now = context.supervisor().await?;
    let mut all = Vec::new();
    for found in bridges::all(&config.data)? {
        if args.ping && now.is_some() {
            ask(config, &found, args.patience).await?;
        }
        let bridge = Bridge::of(config, &found, now.as_ref()).await;
        if let Some(message) = &bridge.message {
            context.warn(message);
        }
        all.push(bridge);
    }
    Ok(List::of(args.list, Bridges {}, all))
}

async fn ask(config: &Config, found: &Found, patience: Patience) -> Result<(), Failure> {
    if let Some((_, registration)) = found.whole().filter(|(_, it)| it.url.is_some()) {
        let wait = patience.given().unwrap_or_default();
        instance::bridges::ask(config, found.name(), registration, wait).await?;
    }
    Ok(())
}

fn state(config: &Config, found: &Found, now: Option<&Snapshot>) -> &'static str {
    let report = now.and_then(|now| now.services.get(&format!("bridge-{}", found.name())));
    match (found.whole(), report) {
        (None, _) if found.leaving => "leaving",
        (None, _) => "lost",
        (Some(_), Some(report)) => status::word(report.state),
        (Some((bridge, _)), None) if bridge.launch(config).is_none() => "apart",
        (Some(_), None) => status::word(Phase::Stopped),
    }
}

impl Bridge {
    async fn of(config: &Config, found: &Found, now: Option<&Snapshot>) -> Self {
        let name = found.name();
        let noted = found.bridge.as_ref().ok();
        let mut message = found.flaw();
        if let (None, Some(bridge), Some(_)) = (&message, noted, now) {
            let flaw = instance::bridges::flaw(config, bridge).await;
            message = flaw.map(|flaw| format!("the bridge `{name}`: {flaw}"));
        }
        Self {
            name: name.to_owned(),
            kind: noted.map(|bridge| bridge.asked.kind.word()),
            state: state(config, found, now),
            id: noted.map(|bridge| bridge.id.clone()),
            port: noted.and_then(|bridge| bridge.listens),
            owner: noted.and_then(|bridge| bridge.asked.owner.clone()),
            database: noted.and_then(|bridge| bridge.database.clone()),
            last_ping: bridges::ping(&config.data, name),
            message,
        }
    }
}

impl Row for Bridge {
    const HEADING: &'static [&'static str] =
        &["BRIDGE", "KIND", "STATE", "ID", "PORT", "LAST PING"];

    fn cells(&self) -> Vec<String> {
        let ping = self.last_ping.as_ref();
        vec![
            self.name.clone(),
            self.kind.unwrap_or_default().to_owned(),
            self.state.to_owned(),
            self.id.clone().unwrap_or_default(),
            self.port.map(|port| port.to_string()).unwrap_or_default(),
            ping.map_or("never".into(), |ping| format!("{}, {}", ping.text(), ping.at)),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.name.as_str().into()
    }
}
