//! `content set-topic`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{change, create::topic_fits};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// What the room is about; an empty text takes the topic away
    #[arg(value_name = "TEXT")]
    pub(crate) topic: String,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    pub(crate) room_id: String,
    pub(crate) topic: String,
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { room, topic, sending } = args;
    topic_fits(&topic)?;
    let content = json!({ "topic": topic, "m.topic": { "m.text": [{ "body": topic }] } });
    let what = ("m.room.topic", "the topic");
    let wanted = ("topic", topic.as_str());
    let (room_id, changed) =
        change::set_word((&room, &sending), context, what, wanted, content).await?;
    Ok(Reply::done_if(changed, Set { room_id: room_id.into(), topic, changed }))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { room_id, topic, changed } = self;
        match (topic.is_empty(), changed) {
            (true, true) => format!("{room_id} has no topic any more"),
            (true, false) => format!("{room_id} has no topic"),
            (false, true) => format!("the topic of {room_id} is now: {topic}"),
            (false, false) => format!("the topic of {room_id} is already: {topic}"),
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
