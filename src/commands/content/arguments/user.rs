//! The user a verb is about.

use ruma::{OwnedUserId, ServerName, UserId};

use crate::{
    commands::offered,
    config::sections::synapse::Mode,
    context::Context,
    error::Failure,
    matrix::{Error, admin::users, client::Client, names},
};

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct UserArg {
    /// The user
    #[arg(id = "name", value_name = "NAME", add = offered::users())]
    user: String,
}

impl UserArg {
    /// The user of this server that was meant.
    pub(crate) fn resolve(&self, server: &ServerName) -> Result<OwnedUserId, names::Error> {
        names::user(&self.user, server)
    }
}

impl<S: Into<String>> From<S> for UserArg {
    fn from(user: S) -> Self {
        Self { user: user.into() }
    }
}

/// The account, if there is one.
pub(crate) async fn find(
    operator: &Client,
    user_id: &UserId,
) -> Result<Option<users::get::User>, Error> {
    match operator.send(users::get::Request { user_id: user_id.to_owned().into() }).await {
        Ok(found) => Ok(Some(found.user)),
        Err(error @ Error::Refused { .. }) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes sure that a user exists, as far as this server can know that: it asks no other where federation
/// is off, and would refuse only after it had made a room. The account, where it is one of this server.
pub(crate) async fn require(
    context: &Context,
    operator: &Client,
    user_id: &UserId,
) -> Result<Option<users::get::User>, Failure> {
    let ours = user_id.server_name() == operator.server_name();
    if !ours && context.config().is_ok_and(|config| config.synapse.federation == Mode::Off) {
        let message = format!("`{user_id}` is on another server, and federation is off");
        return Err(Failure::request(message)
            .hinted("`config show synapse.federation` explains how to switch it on"));
    }
    if !ours {
        return Ok(None);
    }
    let found = find(operator, user_id).await?;
    found.map(Some).ok_or_else(|| Error::NoUser(user_id.to_string()).into())
}
