//! Where a message stands among the others of its room: the message that it answers, and its thread.

use ruma::RoomId;

use super::{Sending, transaction::quoted};
use crate::{
    context::Context,
    error::Failure,
    matrix::{
        client::Client,
        names,
        thread::{Found, Place},
    },
};

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ReplyArg {
    /// Answer this message
    #[arg(long, value_name = "EVENT")]
    pub(crate) reply_to: Option<String>,
    /// Put it into the thread of this message
    #[arg(long, value_name = "EVENT")]
    pub(crate) thread: Option<String>,
}

impl ReplyArg {
    pub(crate) fn is_any(&self) -> bool {
        self.reply_to.is_some() || self.thread.is_some()
    }

    /// What was typed, if it can be ids of events; nobody is asked.
    pub(crate) fn place(&self) -> Result<Place, names::Error> {
        let event = |text: &Option<String>| text.as_deref().map(names::event).transpose();
        Ok(Place { reply_to: event(&self.reply_to)?, thread: event(&self.thread)? })
    }

    /// The same, as it is in the room.
    pub(crate) async fn find(
        &self,
        sending: &Sending,
        context: &Context,
        client: &Client,
        room: &RoomId,
    ) -> Result<Found, Failure> {
        Ok(self.place()?.find(&sending.operator(context)?, client, room).await?)
    }

    /// What was typed, for whoever has to type it again.
    pub(crate) fn words(&self) -> String {
        let given = [("--reply-to", &self.reply_to), ("--thread", &self.thread)];
        let word = |(flag, value): (&str, &Option<String>)| {
            Some(format!(" {flag} {}", quoted(value.as_deref()?)))
        };
        given.into_iter().filter_map(word).collect()
    }
}
