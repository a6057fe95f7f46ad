//! `content add`: the contract's word for making anything.

use std::{fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    items::items,
    keys,
    kind::{Item, Kind},
    one_of::one_of,
};
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{
                MarkupArg, MentionsArg, NowOrLater, QueueArg, ReplyArg, Sending, TransactionArg,
                VerifiedArg,
            },
            bots, messages, rooms, users,
        },
    },
    context::Context,
    error::Failure,
    output::Report,
    reply::{Outcome, Planned, Stop},
};

#[derive(clap::Args)]
#[command(
    override_usage = "resource-matrix-synapse content add [--type <TYPE>] --name <NAME> [OPTIONS]"
)]
pub(crate) struct Args {
    /// What to add: user, bot, room or message; not needed for `@user` and `#room`, and for items that say `type`
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Its name; of a message, the room
    #[arg(long, required_unless_present = "file")]
    pub(crate) name: Option<String>,
    /// The details: of a message its text, of the others a list with a `name` each, in YAML, JSON or CSV
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

one_of!(Added { One(One), Many(Many) });

one_of!(One {
    User(users::add::Added),
    Bot(bots::add::Added),
    Room(rooms::create::Made),
    Message(NowOrLater<messages::send::Sent>),
    Planned(Planned),
});

/// What became of the items of a file.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Many {
    /// The answer to each, in the order of the file.
    items: Vec<One>,
    total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Added> {
    let Args { kind, name, file, sending } = args;
    let items = items(kind.as_deref(), name.as_deref(), file.as_deref())?;
    if file.is_some() && !items.is_empty() {
        keys::check(&items, &sending.server(context)?)?;
    }
    // A file is answered by one document, however many items it has.
    if file.is_some() && name.is_none() {
        return many(&items, &sending, context).await;
    }
    let item = items.first().ok_or_else(|| Failure::request("there is nothing to add"))?;
    Ok(add(item, &sending, context).await?.map(Added::from))
}

async fn many(items: &[Item], sending: &Sending, context: &Context) -> Answered<Added> {
    let (mut answers, mut changed) = (Vec::new(), false);
    for item in items {
        match add(item, sending, context).await {
            Ok(reply) => {
                changed |= reply.outcome == Outcome::Done;
                answers.push(reply.answer);
            }
            Err(Stop::Planned(planned)) => {
                changed = true;
                answers.push(One::from(planned));
            }
            Err(Stop::Failed(failure)) => return Err(Stop::broken(failure, Many::of(answers))),
            Err(stop) => return Err(stop),
        }
    }
    Ok(Reply::done_if(changed, Added::from(Many::of(answers))))
}

async fn add(item: &Item, sending: &Sending, context: &Context) -> Answered<One> {
    let Item { kind, fields } = item;
    let word = |key: &str| fields[key].as_str().map(str::to_owned);
    let flag = |key: &str| fields[key].as_bool().unwrap_or(false);
    let words = |key: &str| {
        let words = fields[key].as_array().into_iter().flatten();
        words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let nameless =
        || Failure::request("an item of the file has no `name`").hinted("each item needs one");
    let name = || word("name").or_else(|| word("room")).ok_or_else(nameless);
    match kind {
        Kind::User => {
            let password = users::password::Source::default();
            let patience = sending.only_operator()?;
            let (admin, display_name) = (flag("admin"), word("display_name"));
            let args = users::add::Args { name: name()?, admin, display_name, password, patience };
            Ok(users::add::run(args, context).await?.map(One::from))
        }
        Kind::Bot => {
            let (display_name, patience) = (word("display_name"), sending.only_operator()?);
            let (room, hook) = (word("room"), flag("hook"));
            let (hook_name, given) = (word("hook_name"), word("name"));
            // Its room is no name for it.
            let name = given.ok_or_else(nameless)?;
            let reads = bots::reads::Reads::of_item(fields)?;
            let args = bots::add::Args {
                name,
                display_name,
                room,
                encrypted: flag("encrypted"),
                no_encryption: fields["encrypted"] == false,
                hook,
                hook_name,
                reads,
                patience,
            };
            Ok(bots::add::run(args, context).await?.map(One::from))
        }
        Kind::Room => {
            let args = room(name()?, fields, sending.clone());
            Ok(rooms::create::run(args, context).await?.map(One::from))
        }
        Kind::Hook => Err(Failure::request("a webhook is created with its bot")
            .hinted("`content add-bot NAME --room ROOM --hook` creates both")
            .into()),
        Kind::Message => {
            let args = messages::send::Args {
                room: Some(word("room").map_or_else(name, Ok)?),
                text: word("text").or_else(|| word("body")),
                markup: MarkupArg { html: flag("html"), markdown: flag("markdown") },
                notice: flag("notice"),
                reply: ReplyArg { reply_to: word("reply_to"), thread: word("thread") },
                mentions: MentionsArg {
                    mention: words("mention"),
                    mention_room: flag("mention_room"),
                },
                transaction: TransactionArg { transaction_id: word("transaction_id") },
                file: None,
                jsonl: None,
                also: Vec::new(),
                verified: VerifiedArg::default(),
                queue: QueueArg::default(),
                sending: sending.clone(),
            };
            Ok(messages::send::run(args, context).await?.map(One::from))
        }
    }
}

fn room(name: String, fields: &Value, sending: Sending) -> rooms::create::Args {
    let word = |key: &str| fields[key].as_str().map(str::to_owned);
    let flag = |key: &str| fields[key].as_bool().unwrap_or(false);
    let invite = fields["invite"].as_array().into_iter().flatten();
    rooms::create::Args {
        name,
        alias: word("alias"),
        topic: word("topic"),
        public: flag("public"),
        encrypted: flag("encrypted"),
        no_encryption: fields["encrypted"] == false,
        invite: invite.filter_map(|it| it.as_str().map(str::to_owned)).collect(),
        room_version: word("room_version"),
        space: flag("space"),
        sending,
    }
}

impl Many {
    fn of(items: Vec<One>) -> Self {
        Self { total: items.len(), items }
    }

    fn page(
        &self,
        page: &mut String,
        text: impl Fn(&One, &mut String) -> fmt::Result,
    ) -> fmt::Result {
        for item in &self.items {
            text(item, page)?;
            if !page.ends_with('\n') {
                page.push('\n');
            }
        }
        Ok(())
    }
}

impl Report for Many {
    fn text(&self, page: &mut String) -> fmt::Result {
        self.page(page, Report::text)
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.page(page, Report::long)
    }

    fn ids(&self) -> Option<String> {
        let ids = self.items.iter().filter_map(Report::ids).filter(|id| !id.is_empty());
        Some(ids.collect::<Vec<_>>().join("\n"))
    }
}
