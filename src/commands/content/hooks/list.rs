//! `content list-hooks`.

use std::{collections::BTreeMap, fmt, fmt::Write as _, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply},
    context::Context,
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
    /// Where what was refused is kept.
    pub(crate) refused_file: PathBuf,
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
    /// How much the server would not take.
    pub(crate) refused: usize,
    pub(crate) url: String,
    /// The same from this machine.
    pub(crate) local_url: String,
    /// Where the token is kept.
    pub(crate) file: PathBuf,
    pub(crate) token: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Hooks> {
    let config = context.config()?;
    let data = &config.data;
    let folder = data.hook_journal();
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for entry in journal::waiting(&folder)? {
        counts.entry(entry.hook).or_default().0 += 1;
    }
    for letter in dead::all(&folder)? {
        counts.entry(letter.entry.hook).or_default().1 += 1;
    }
    let mut hooks = Vec::new();
    for name in registry::names(data) {
        match registry::find(data, &name) {
            Ok(found) => hooks.extend(found),
            // One whose file is damaged does not hide the others.
            Err(error) => context.warn(Failure::from(error).to_string()),
        }
    }
    if let Some(part) = &args.filter {
        hooks.retain(|hook| {
            [&hook.id, hook.user_id.as_str(), &hook.room, hook.room_id.as_str()]
                .iter()
                .any(|text| text.contains(part.as_str()))
        });
    }
    let hook = |hook: registry::Hook| {
        let (waiting, refused) = counts.get(&hook.id).copied().unwrap_or_default();
        Hook {
            url: config.hook_address(&hook.id),
            local_url: format!("{}/hook/{}", config.hooks_url(), hook.id),
            file: registry::file(data, &hook.id),
            token: context.masked(&hook.token),
            id: hook.id,
            user_id: hook.user_id.into(),
            room: hook.room,
            room_id: hook.room_id.into(),
            waiting,
            refused,
        }
    };
    let hooks: Vec<Hook> = hooks.into_iter().map(hook).collect();
    Ok(Reply::done(Hooks { total: hooks.len(), hooks, refused_file: dead::file(&folder) }))
}

impl Report for Hooks {
    fn text(&self, page: &mut String) -> fmt::Result {
        let number = |count: usize| if count == 0 { String::new() } else { count.to_string() };
        let row = |hook: &Hook| {
            let Hook { id, user_id, room, waiting, refused, url, .. } = hook;
            let (waiting, refused) = (number(*waiting), number(*refused));
            vec![id.clone(), user_id.clone(), room.clone(), waiting, refused, url.clone()]
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
