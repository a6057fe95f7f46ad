//! `content list-hooks`.

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::are_proxied;
use crate::{
    commands::listing::{List, ListArgs, Listed},
    context::Context,
    error::Failure,
    hooks::{refused, registry},
    instance::lifecycle::hooks::Here,
    matrix::names,
    outbox::{dead, look},
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those where this is part of the name, the bot or the room, in capitals or not
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs<Hook>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Hooks {
    /// Where what was refused is kept.
    pub(crate) refused_file: PathBuf,
    /// What `-v` says of what was refused, a line each.
    #[serde(skip)]
    refusals: String,
    /// Whether the server refused something.
    #[serde(skip)]
    has_refused: bool,
}

impl Listed for Hooks {
    type Row = Hook;
    const KEY: &'static str = "hooks";

    fn after(&self, verbose: bool) -> String {
        let mut text = String::new();
        if self.has_refused {
            let file = self.refused_file.display();
            text.push_str(&format!("what the server refused is kept in {file}\n"));
        }
        text + if verbose { &self.refusals } else { "" }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Hook {
    pub(crate) id: String,
    /// The bot that it speaks through.
    pub(crate) user_id: String,
    /// The room as it was named.
    pub(crate) room: String,
    pub(crate) room_id: String,
    /// How much is still to be sent.
    pub(crate) waiting: usize,
    /// How much was refused: calls by the webhook, and messages by the server.
    pub(crate) refused: usize,
    /// The calls that the webhook refused: how many, and why the last one.
    pub(crate) refused_calls: Option<refused::Count>,
    /// Why the server would not take the last one of those that it refused.
    pub(crate) refused_message: Option<String>,
    /// As what it takes what is posted.
    pub(crate) format: &'static str,
    /// Whether it takes what its sender has signed.
    pub(crate) signed: bool,
    /// Whether a template of its own says what it shows.
    pub(crate) template: bool,
    pub(crate) url: String,
    /// The same from this machine.
    pub(crate) local_url: String,
    /// Where the token is kept.
    pub(crate) file: PathBuf,
    pub(crate) token: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Hooks>, Stop> {
    let config = context.config()?;
    let data = &config.data;
    let folder = data.outbox();
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut reasons, mut calls) = (BTreeMap::new(), refused::all(&folder)?);
    for entry in look::waiting(&folder)? {
        if let Some(hook) = entry.draft.hook {
            counts.entry(hook).or_default().0 += 1;
        }
    }
    for letter in dead::all(&folder)? {
        let Some(hook) = letter.entry.draft.hook else { continue };
        reasons.insert(hook.clone(), letter.reason);
        counts.entry(hook).or_default().1 += 1;
    }
    let mut hooks = Vec::new();
    for name in registry::names(data) {
        match registry::find(data, &name) {
            Ok(found) => hooks.extend(found),
            // One whose file is damaged does not hide the others.
            Err(error) => context.warn(Failure::from(error).to_string()),
        }
    }
    if let Some(part) = args.filter.as_deref().map(str::to_lowercase) {
        hooks.retain(|hook| {
            let texts = [&hook.id, hook.user_id.as_str(), &hook.room, hook.room_id.as_str()];
            names::is_in(&part, texts)
        });
    }
    let here = Here::of(config).await?;
    here.warning().into_iter().for_each(|warning| context.warn(warning));
    let proxied = are_proxied(context, config, &here).await?;
    let hook = |hook: registry::Hook| {
        let (waiting, messages) = counts.get(&hook.id).copied().unwrap_or_default();
        let refused_calls = calls.remove(&hook.id);
        Hook {
            url: config.hook_address(&hook.id, &here.url, proxied),
            local_url: format!("{}/hook/{}", here.url, hook.id),
            file: registry::file(data, &hook.id),
            token: context.masked(&hook.token),
            refused: messages + refused_calls.as_ref().map_or(0, |count| count.calls),
            refused_calls,
            refused_message: reasons.remove(&hook.id),
            format: hook.format.word(),
            signed: hook.secret.is_some(),
            template: hook.template.is_some(),
            id: hook.id,
            user_id: hook.user_id.into(),
            room: hook.room,
            room_id: hook.room_id.into(),
            waiting,
        }
    };
    let hooks: Vec<Hook> = hooks.into_iter().map(hook).collect();
    let head = Hooks {
        refused_file: dead::file(&folder),
        refusals: hooks.iter().map(Hook::refusals).collect(),
        has_refused: hooks.iter().any(|hook| hook.refused_message.is_some()),
    };
    Ok(List::of(args.list, head, hooks))
}

impl Hook {
    /// What was refused and why.
    fn refusals(&self) -> String {
        let Self { id, refused_calls, refused_message, .. } = self;
        let mut text = String::new();
        if let Some(refused::Count { calls, at, status, reason }) = refused_calls {
            let calls = if *calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") };
            text.push_str(&format!(
                "{id}: {calls} refused, the last {at} with {status}: {reason}\n"
            ));
        }
        if let Some(reason) = refused_message {
            text.push_str(&format!("{id}: the server refused a message: {reason}\n"));
        }
        text
    }
}

impl Row for Hook {
    const HEADING: &'static [&'static str] =
        &["HOOK", "BOT", "ROOM", "WAITING", "REFUSED", "ADDRESS"];

    fn cells(&self) -> Vec<String> {
        let number = |count: usize| if count == 0 { String::new() } else { count.to_string() };
        let Self { id, user_id, room, waiting, refused, url, .. } = self;
        let (waiting, refused) = (number(*waiting), number(*refused));
        vec![id.clone(), user_id.clone(), room.clone(), waiting, refused, url.clone()]
    }

    fn id(&self) -> Cow<'_, str> {
        self.id.as_str().into()
    }
}
