//! `content add`: the contract's word for making anything.

use super::{items::items, kind::Kind};
use crate::commands::content::{
    arguments::{Sending, TransactionArg},
    bots, messages, rooms, users,
};
use crate::commands::reply::told;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    output::Output,
};

#[derive(clap::Args)]
#[command(
    override_usage = "resource-matrix-synapse content add --type <TYPE> --name <NAME> [OPTIONS]"
)]
pub(crate) struct Args {
    /// What to add: user, bot, room or message
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// Its name; of a message, the room
    #[arg(long, required_unless_present = "file")]
    name: Option<String>,
    /// The details: of a message its text, of the others a YAML or JSON list with a `name` each
    #[arg(long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    sending: Sending,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let kind = Kind::parse(&args.kind)?;
    let items = match (&args.file, &args.name) {
        (Some(path), Some(name)) if kind == Kind::Message => {
            vec![json!({ "room": name, "text": crate::files::read_input(path)? })]
        }
        (Some(path), Some(name)) => {
            let mut found = items(path)?;
            if found.len() != 1 {
                return Err(Failure::request("`--name` goes with a file of one item"));
            }
            found[0]["name"] = name.as_str().into();
            found
        }
        (Some(path), None) => items(path)?,
        (None, Some(name)) if kind == Kind::Message => vec![json!({ "room": name })],
        (None, Some(name)) => vec![json!({ "name": name })],
        (None, None) => return Err(Failure::request("neither `--name` nor `--file` was given")),
    };
    // A file is answered by one document, however many items it has.
    let many = args.file.is_some() && args.name.is_none();
    if many {
        output.gather();
    }
    let mut outcome = Outcome::Moot;
    for item in &items {
        if add(kind, item, &args.sending, context, output).await? == Outcome::Done {
            outcome = Outcome::Done;
        }
    }
    if many {
        output.emit_gathered();
    }
    Ok(outcome)
}

async fn add(
    kind: Kind,
    item: &Value,
    sending: &Sending,
    context: &Context,
    output: &Output,
) -> Result {
    let word = |key: &str| item[key].as_str().map(str::to_owned);
    let flag = |key: &str| item[key].as_bool().unwrap_or(false);
    let nameless =
        || Failure::request("an item of the file has no `name`").hinted("each item needs one");
    let name = || word("name").or_else(|| word("room")).ok_or_else(nameless);
    let sending = sending.clone();
    match kind {
        Kind::User => {
            let password = users::password::Source::default();
            let patience = sending.only_operator()?;
            let (admin, display_name) = (flag("admin"), word("display_name"));
            let args = users::add::Args { name: name()?, admin, display_name, password, patience };
            told(users::add::run(args, context).await, output)
        }
        Kind::Bot => {
            let (display_name, patience) = (word("display_name"), sending.only_operator()?);
            let (room, hook) = (word("room"), flag("hook"));
            let (hook_name, given) = (word("hook_name"), word("name"));
            // Its room is no name for it.
            let name = given.ok_or_else(nameless)?;
            let args = bots::add::Args { name, display_name, room, hook, hook_name, patience };
            told(bots::add::run(args, context).await, output)
        }
        Kind::Room => {
            let invite = item["invite"].as_array().into_iter().flatten();
            let args = rooms::create::Args {
                name: name()?,
                alias: word("alias"),
                topic: word("topic"),
                public: flag("public"),
                encrypted: flag("encrypted"),
                invite: invite.filter_map(|it| it.as_str().map(str::to_owned)).collect(),
                space: flag("space"),
                sending,
            };
            told(rooms::create::run(args, context).await, output)
        }
        Kind::Hook => Err(Failure::request("a webhook is made with its bot")
            .hinted("`content add-bot NAME --room ROOM --hook` makes both")),
        Kind::Message => {
            let args = messages::send::Args {
                room: word("room").map_or_else(name, Ok)?.into(),
                text: word("text").or_else(|| word("body")),
                html: flag("html"),
                markdown: flag("markdown"),
                notice: flag("notice"),
                reply_to: word("reply_to"),
                transaction: TransactionArg { transaction_id: word("transaction_id") },
                file: None,
                sending,
            };
            messages::send::run(args, context, output).await
        }
    }
}
