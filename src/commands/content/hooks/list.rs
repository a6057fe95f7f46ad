//! `content list-hooks`.

use std::{collections::BTreeMap, fmt, fmt::Write as _, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply},
    config::Config,
    context::Context,
    data_dir::DataDir,
    error::Failure,
    hooks::{dead, journal, registry},
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those where this is part of the name, the bot or the room
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Hooks {
    pub(crate) hooks: Vec<Hook>,
    pub(crate) total: usize,
    /// Where the messages are kept that the homeserver refused.
    pub(crate) refused_file: PathBuf,
}

/// An address through which other programs speak in a room.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Hook {
    pub(crate) id: String,
    /// The bot that speaks.
    pub(crate) user_id: String,
    /// The room as whoever made the webhook called it.
    pub(crate) room: String,
    pub(crate) room_id: String,
    /// How many messages are still to be sent.
    pub(crate) waiting: usize,
    /// How many the homeserver refused.
    pub(crate) refused: usize,
    pub(crate) url: String,
    /// The address on this machine.
    pub(crate) local_url: String,
    /// The file that holds the token.
    pub(crate) file: PathBuf,
    /// Masked, unless secrets are to be shown.
    token: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Hooks> {
    let config = context.config()?;
    let folder = config.data.hook_journal();
    let (mut waiting, mut refused) = (Counts::default(), Counts::default());
    for entry in journal::waiting(&folder)? {
        *waiting.entry(entry.hook).or_default() += 1;
    }
    for letter in dead::all(&folder)? {
        *refused.entry(letter.entry.hook).or_default() += 1;
    }
    let mut hooks = all(&config.data, context);
    if let Some(part) = &args.filter {
        hooks.retain(|hook| is_part(part, hook));
    }
    let hooks: Vec<Hook> = hooks
        .into_iter()
        .map(|hook| Hook {
            waiting: waiting.remove(&hook.id).unwrap_or_default(),
            refused: refused.remove(&hook.id).unwrap_or_default(),
            ..Hook::new(hook, config, context)
        })
        .collect();
    Ok(Reply::done(Hooks { total: hooks.len(), hooks, refused_file: dead::file(&folder) }))
}

/// Of messages, by the name of the webhook.
type Counts = BTreeMap<String, usize>;

/// One whose file is damaged does not hide the others.
fn all(data: &DataDir, context: &Context) -> Vec<registry::Hook> {
    let found = registry::names(data).into_iter().map(|name| registry::find(data, &name));
    let warned = |error| context.warn(Failure::from(error).to_string());
    found.filter_map(|found| found.map_err(warned).ok().flatten()).collect()
}

fn is_part(part: &str, hook: &registry::Hook) -> bool {
    let texts = [&hook.id, hook.user_id.as_str(), &hook.room, hook.room_id.as_str()];
    texts.iter().any(|text| text.contains(part))
}

impl Hook {
    /// Without what waits or was refused.
    fn new(hook: registry::Hook, config: &Config, context: &Context) -> Self {
        Self {
            url: config.hook_address(&hook.id),
            local_url: format!("{}/hook/{}", config.hooks_url(), hook.id),
            file: registry::file(&config.data, &hook.id),
            token: context.masked(&hook.token),
            id: hook.id,
            user_id: hook.user_id.into(),
            room: hook.room,
            room_id: hook.room_id.into(),
            waiting: 0,
            refused: 0,
        }
    }
}

impl Report for Hooks {
    fn text(&self, page: &mut String) -> fmt::Result {
        let number = |count: usize| if count == 0 { String::new() } else { count.to_string() };
        let row = |hook: &Hook| {
            vec![
                hook.id.clone(),
                hook.user_id.clone(),
                hook.room.clone(),
                number(hook.waiting),
                number(hook.refused),
                hook.url.clone(),
            ]
        };
        let heading = ["HOOK", "BOT", "ROOM", "WAITING", "REFUSED", "ADDRESS"];
        table(page, &heading, self.hooks.iter().map(row).collect())?;
        if self.hooks.iter().any(|hook| hook.refused > 0) {
            writeln!(page, "what was refused is kept in {}", self.refused_file.display())?;
        }
        Ok(())
    }

    fn ids(&self) -> Option<String> {
        Some(self.hooks.iter().map(|hook| hook.id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
