//! Whom a message wakes.

use ruma::{OwnedUserId, RoomId};

use super::{Sending, user};
use crate::{
    commands::offered,
    context::Context,
    error::Failure,
    matrix::{client::Client, names, room},
};

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct MentionsArg {
    /// Mention this user, who is notified; can be repeated. Links to users in HTML and Markdown do so too
    #[arg(long, value_name = "USER", add = offered::users())]
    pub(crate) mention: Vec<String>,
    /// Mention everybody in the room
    #[arg(long)]
    pub(crate) mention_room: bool,
}

impl MentionsArg {
    pub(crate) fn is_any(&self) -> bool {
        self.mention_room || !self.mention.is_empty()
    }

    /// The users that were named, each of whom there is; who is not in the room is said.
    pub(crate) async fn users(
        &self,
        sending: &Sending,
        context: &Context,
        client: &Client,
        room: &RoomId,
    ) -> Result<Vec<OwnedUserId>, Failure> {
        let mut users = Vec::new();
        for name in &self.mention {
            let user = match OwnedUserId::try_from(name.as_str()) {
                Ok(user) if user.server_name() != client.server_name() => user,
                _ => names::user(name, client.server_name())?,
            };
            let operator = sending.operator(context)?;
            user::require(context, &operator, &user).await?;
            // Only a member may ask; who is not one yet will be told by the server.
            let membership = room::membership(client, room, &user).await;
            if membership.is_ok_and(|it| it.as_deref() != Some("join")) {
                context.warn(format!("{user} is not in the room, and is told of it only there"));
            }
            users.push(user);
        }
        Ok(users)
    }
}
