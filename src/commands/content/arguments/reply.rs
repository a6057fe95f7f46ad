//! The message that another one answers.

use ruma::{OwnedEventId, RoomId};
use serde_json::Value;

use super::Sending;
use crate::{
    context::Context,
    error::Failure,
    matrix::{names, room},
};

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ReplyArg {
    /// Answer this message
    #[arg(long, value_name = "EVENT")]
    pub(crate) reply_to: Option<String>,
}

impl ReplyArg {
    /// What was typed, if it can be the id of an event; nobody is asked.
    pub(crate) fn event(&self) -> Result<Option<OwnedEventId>, names::Error> {
        self.reply_to.as_deref().map(names::event).transpose()
    }

    /// The message that is answered, which is in the room.
    pub(crate) async fn find(
        &self,
        sending: &Sending,
        context: &Context,
        room: &RoomId,
    ) -> Result<Option<Value>, Failure> {
        let Some(event) = self.event()? else { return Ok(None) };
        Ok(Some(room::require_event(&sending.operator(context)?, room, &event).await?))
    }
}
