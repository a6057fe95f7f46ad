//! `content send-state`.

use ruma::RoomId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending, json},
    },
    context::Context,
    error::Failure,
    matrix::{Error, client::Client, leaders::Powers, message, new_room, room},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The type of the event, such as `m.room.topic`
    #[arg(value_name = "TYPE")]
    pub(crate) event_type: String,
    /// Its content, as JSON; `-` reads it from stdin and `@FILE` from a file
    #[arg(value_name = "JSON")]
    pub(crate) content: String,
    /// Which of the events of this type, where there may be several
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    pub(crate) key: String,
    /// Set power levels also where whoever sets them could not change them any more
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    pub(crate) room_id: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) state_key: String,
    /// The event that says so now.
    pub(crate) event_id: Option<String>,
    /// False where it was so before.
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { room, event_type, content, key, force, sending } = args;
    json::event_type(&event_type)?;
    if event_type == "m.room.create" {
        return Err(Failure::request("how a room was made cannot be changed")
            .hinted("`content upgrade-room ROOM` has a new room take its place")
            .into());
    }
    if matches!(key.as_str(), "." | "..") || key.contains(char::is_control) || key.len() > 255 {
        let message = "the key of a state event has at most 255 bytes and is not `.` or `..`";
        return Err(Failure::request(message).into());
    }
    let content = json::content(&content, sending.timeout())?;
    says_how(&event_type, &content)?;
    message::check_size(&content)?;
    let operator = sending.operator(context)?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let found = async || room::state_event(&operator, &room_id, &event_type, &key).await;
    let now = found().await?;
    let changed = now.as_ref().is_none_or(|event| event["content"] != content);
    let mut event_id = id_of(now.as_ref());
    if changed {
        if event_type == "m.room.power_levels" && !force {
            still_leads(&client, &operator, &room_id, &content).await?;
        }
        context.would(format_args!("set `{event_type}` of {room_id}"))?;
        let set =
            async || room::set_state(&client, &room_id, &event_type, &key, content.clone()).await;
        sending.with_power(&client, &room_id, context, set).await?;
        // It may have switched encryption on, or closed the room.
        message::forget(&context.data()?, &room_id);
        event_id = id_of(found().await?.as_ref());
    }
    let answer = Set { room_id: room_id.into(), event_type, state_key: key, event_id, changed };
    Ok(Reply::done_if(changed, answer))
}

fn id_of(event: Option<&Value>) -> Option<String> {
    event.and_then(|event| event["event_id"].as_str()).map(str::to_owned)
}

/// Refuses to encrypt a room without a word of how: nobody could send anything there.
fn says_how(event_type: &str, content: &Value) -> Result<(), Failure> {
    if event_type != new_room::ENCRYPTION || new_room::is_encryption(content) {
        return Ok(());
    }
    let message =
        format!("with an `{event_type}` that has no `algorithm` nobody could send anything");
    let by_hand = format!("content send-state ROOM {event_type} '{}'", new_room::algorithm());
    let hint = format!("`content encrypt-room ROOM` encrypts a room, and so does `{by_hand}`");
    Err(Failure::request(message).hinted(hint))
}

/// Refuses levels with which whoever sets them could not take them back.
async fn still_leads(
    client: &Client,
    operator: &Client,
    room: &RoomId,
    levels: &Value,
) -> Result<(), Failure> {
    let mut powers: Powers = match Powers::of(operator, room).await {
        Err(Error::NoRoom(_)) => return Ok(()),
        powers => powers?,
    };
    powers.levels = levels.clone();
    let user = client.user_id();
    if powers.leads(user) {
        return Ok(());
    }
    let message = format!("with these levels `{user}` could not change them any more");
    Err(Failure::request(message).hinted(
        "give that user power below `users`, or set them all the same with `--force`; `content set-power` changes the power of one user alone",
    ))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { room_id, event_type, state_key, changed, .. } = self;
        let key = if state_key.is_empty() { String::new() } else { format!(" of {state_key}") };
        let is = if *changed { "is set" } else { "is so already" };
        format!("`{event_type}`{key} in {room_id} {is}")
    }

    fn id(&self) -> &str {
        self.event_id.as_deref().unwrap_or_default()
    }
}
