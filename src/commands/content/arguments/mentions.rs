//! Whom a message wakes.

use ruma::OwnedUserId;

use super::{Sending, user};
use crate::{
    commands::offered,
    context::Context,
    error::Failure,
    matrix::{client::Client, names},
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

    /// The users that were named, each of whom there is.
    pub(crate) async fn users(
        &self,
        sending: &Sending,
        context: &Context,
        client: &Client,
    ) -> Result<Vec<OwnedUserId>, Failure> {
        let mut users = Vec::new();
        for name in &self.mention {
            let user = match OwnedUserId::try_from(name.as_str()) {
                Ok(user) if user.server_name() != client.server_name() => user,
                _ => names::user(name, client.server_name())?,
            };
            user::require(context, &sending.operator(context)?, &user).await?;
            users.push(user);
        }
        Ok(users)
    }
}
