//! An event that is sent into a room, however it is called: what polls and places have in common.

use ruma::{OwnedRoomId, OwnedTransactionId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::content::arguments::{
        RoomArg, Sending, TransactionArg,
        transaction::{quoted, repeatable},
    },
    context::Context,
    error::Failure,
    matrix::{client::Client, message},
    output::Sentence,
};

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Posted {
    pub(super) room_id: String,
    pub(super) event_id: String,
    /// A repeat with it does nothing.
    pub(super) transaction_id: String,
}

/// What is sent, and by whom.
pub(super) struct Post<'a> {
    pub(super) context: &'a Context,
    pub(super) sending: &'a Sending,
    pub(super) client: &'a Client,
    pub(super) room: &'a OwnedRoomId,
    pub(super) transaction: &'a TransactionArg,
    /// What was typed, without the transaction id.
    pub(super) command: String,
}

impl Post<'_> {
    /// Sends it.
    pub(super) async fn send(
        self,
        event_type: &str,
        content: &Value,
        id: OwnedTransactionId,
    ) -> Result<Posted, Failure> {
        let Self { context, sending, client, room, transaction, command } = self;
        let data = context.data()?;
        let send = async || {
            message::require_way(client, &data, room).await?;
            message::send_as(client, room, event_type, content, &id).await
        };
        let sent = sending.within(client, room, context, send).await;
        let event = sent.map_err(|error| repeatable(error, &command, id.as_str()))?;
        if transaction.is_given() {
            let operator = sending.operator(context)?;
            message::require_same(&operator, client, &event, content, &id).await?;
        }
        let (room_id, event_id) = (room.to_string(), event.to_string());
        Ok(Posted { room_id, event_id, transaction_id: id.to_string() })
    }
}

/// A command with what was typed behind it, as a shell takes it.
pub(super) fn command<'a>(
    verb: &str,
    room: &RoomArg,
    words: impl IntoIterator<Item = &'a str>,
    sending: &Sending,
) -> String {
    let mut command = format!("content {verb} {}", quoted(room.as_str()));
    for word in words {
        command.push_str(&format!(" {}", quoted(word)));
    }
    if let Some(user) = &sending.acting {
        command.push_str(&format!(" --as {}", quoted(user)));
    }
    command
}

impl Sentence for Posted {
    fn sentence(&self) -> String {
        format!("sent {}", self.event_id)
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
