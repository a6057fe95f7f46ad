//! `content set-account-data`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending, json::given_json},
        offered,
    },
    context::Context,
    error::Failure,
    matrix::account_data,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The type, such as m.direct or com.example.bot
    #[arg(value_name = "TYPE")]
    pub(crate) event_type: String,
    /// The object to keep in the place of what is there; `-` reads it from stdin and `@FILE` from a file
    #[arg(value_name = "JSON")]
    pub(crate) content: String,
    /// Keep it of this room
    #[arg(long, value_name = "ROOM", add = offered::rooms())]
    pub(crate) room: Option<String>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    user_id: String,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<String>,
    /// False where it was so before.
    changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { event_type, content, room, sending } = args;
    // Of these the server keeps others than what it is given.
    let instead = match event_type.as_str() {
        "m.fully_read" => Some("`content mark-read` says how far a room was read"),
        "m.push_rules" => {
            Some("`content execute` sets them, below `/_matrix/client/v3/pushrules/`")
        }
        _ => None,
    };
    if let Some(hint) = instead {
        let message = format!("the server does not take `{event_type}` as account data");
        return Err(Failure::request(message).hinted(hint).into());
    }
    let content = given_json("the content", &content, sending.timeout())?;
    if !content.is_object() {
        return Err(Failure::request("account data is a JSON object, such as {\"a\": 1}").into());
    }
    let client = sending.client(context).await?;
    let room = match room.map(RoomArg::from) {
        Some(room) => Some(sending.room(context, &client, &room).await?),
        None => None,
    };
    let user = client.user_id().to_owned();
    context.would(format_args!("keep `{event_type}` for {user}"))?;
    let with =
        |before: Option<Value>| before.is_none_or(|before| before != content).then_some(content);
    let changed =
        account_data::change(&context.data()?, &client, room.as_deref(), &event_type, with).await?;
    let (user_id, room_id) = (user.into(), room.map(Into::into));
    Ok(Reply::done_if(changed, Set { user_id, event_type, room_id, changed }))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { user_id, event_type, changed, .. } = self;
        let how = if *changed { "kept" } else { "kept already" };
        format!("{event_type} of {user_id} is {how}")
    }

    fn id(&self) -> &str {
        &self.event_type
    }
}
