//! `content list-hooks`.

use crate::commands::content::answer::Answer;
use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    hooks::{dead, journal, registry},
    output::{Output, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those where this is part of the name, the bot or the room
    #[arg(long, value_name = "TEXT")]
    pub(in crate::commands::content) filter: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
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
            Err(error) => output.warn(Failure::from(error).to_string()),
        }
    }
    if let Some(part) = &args.filter {
        hooks.retain(|hook| {
            [&hook.id, hook.user_id.as_str(), &hook.room, hook.room_id.as_str()]
                .iter()
                .any(|text| text.contains(part.as_str()))
        });
    }
    let (mut rows, mut fields) = (Vec::new(), Vec::new());
    let mut refused = false;
    for hook in &hooks {
        let (waiting, dead) = counts.get(&hook.id).copied().unwrap_or_default();
        refused |= dead > 0;
        let address = config.hook_address(&hook.id);
        let number = |count: usize| if count == 0 { String::new() } else { count.to_string() };
        rows.push(vec![
            hook.id.clone(),
            hook.user_id.to_string(),
            hook.room.clone(),
            number(waiting),
            number(dead),
            address.clone(),
        ]);
        fields.push(json!({
            "id": hook.id, "user_id": hook.user_id, "room": hook.room, "room_id": hook.room_id,
            "waiting": waiting, "refused": dead, "url": address,
            "local_url": format!("{}/hook/{}", config.hooks_url(), hook.id),
            "file": registry::file(data, &hook.id), "token": output.masked(&hook.token),
        }));
    }
    let mut text = String::new();
    table(&mut text, &["HOOK", "BOT", "ROOM", "WAITING", "REFUSED", "ADDRESS"], rows).ok();
    if refused {
        text += &format!("what was refused is kept in {}\n", dead::file(&folder).display());
    }
    let ids: Vec<&str> = hooks.iter().map(|hook| hook.id.as_str()).collect();
    let fields = json!({
        "hooks": fields, "total": hooks.len(), "refused_file": dead::file(&folder),
    });
    output.emit(&Answer::page(text, Some(ids.join("\n")), fields));
    Ok(Outcome::Done)
}
