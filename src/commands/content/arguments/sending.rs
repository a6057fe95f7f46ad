//! Whom a verb acts as, and how long it tries.

use std::time::Duration;

use ruma::{OwnedRoomId, OwnedServerName, RoomId};

use super::{RoomArg, room::explained, user};
use crate::{
    commands::offered,
    context::Context,
    error::Failure,
    matrix::{self, client::Client, direct, known, names, new_room, room},
    reply::Stop,
};

// How long a command tries that only the operator can do. No doc comment here and below: clap would
// show it as the help of each command.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Patience {
    /// Try for this many seconds; 60 where it is not given
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
}

impl Patience {
    pub(crate) fn timeout(self) -> Duration {
        self.given().unwrap_or(Duration::from_mins(1))
    }

    /// What was typed.
    pub(crate) fn given(self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }

    pub(crate) fn operator(self, context: &Context) -> Result<Client, Failure> {
        context.operator(self.timeout())
    }
}

// Whom a command acts as, and how long it tries.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Sending {
    /// Act as this user instead of the operator
    #[arg(long = "as", value_name = "USER", add = offered::users())]
    pub(crate) acting: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

impl Sending {
    pub(crate) fn timeout(&self) -> Duration {
        self.patience.timeout()
    }

    /// The time that was typed.
    pub(crate) fn given(&self) -> Option<Duration> {
        self.patience.given()
    }

    pub(crate) async fn client(&self, context: &Context) -> Result<Client, Failure> {
        context.client(self.acting.as_deref(), self.timeout()).await
    }

    pub(crate) fn operator(&self, context: &Context) -> Result<Client, Failure> {
        self.patience.operator(context)
    }

    /// The server that names without one belong to.
    pub(crate) fn server(&self, context: &Context) -> Result<OwnedServerName, Failure> {
        Ok(self.operator(context)?.server_name().to_owned())
    }

    /// For what only the operator can do: `--as` would promise something else.
    pub(crate) fn only_operator(&self) -> Result<Patience, Failure> {
        if self.acting.is_some() {
            return Err(Failure::request("`--as` does not go with what only the operator does")
                .hinted("leave `--as` out"));
        }
        Ok(self.patience)
    }

    /// The room that was meant; names are looked up by the operator, who sees all.
    pub(crate) async fn room(
        &self,
        context: &Context,
        client: &Client,
        room: &RoomArg,
    ) -> Result<OwnedRoomId, Failure> {
        let server = client.server_name().to_owned();
        let named = names::room(room.as_str(), &server)?;
        let is_name = matches!(named, names::Room::Name(_));
        let found = match &self.acting {
            Some(_) if is_name => room.resolve(context, &self.operator(context)?).await,
            _ => room.resolve(context, client).await,
        };
        match found {
            Ok(room) => Ok(room),
            Err(error) if self.acting.is_none() => Err(explained(client, error).await),
            Err(error) => Err(explained(&self.operator(context)?, error).await),
        }
    }

    /// The same for what is sent: a direct room that is not there yet is made.
    pub(crate) async fn destination(
        &self,
        context: &Context,
        client: &Client,
        room: &RoomArg,
    ) -> Result<OwnedRoomId, Stop> {
        let names::Room::Direct(other) = names::room(room.as_str(), client.server_name())? else {
            return Ok(self.room(context, client, room).await?);
        };
        if let Some(room) = known::find(client, &other).await? {
            return Ok(room);
        }
        let operator = self.operator(context)?;
        direct::require(&operator, client.user_id(), &other).await?;
        user::require(context, &operator, &other).await?;
        context.would(format_args!("make a direct room with {other}, and send it there"))?;
        let encrypt = new_room::wanted(context.config()?);
        let opened = direct::open(&context.data()?, client, &operator, &other, encrypt).await?;
        if opened.made {
            let how = if opened.encrypted { "encrypted" } else { "not encrypted" };
            context.say(format_args!("made the direct room {} with {other}, {how}", opened.room));
        }
        Ok(opened.room)
    }

    /// Who sends, and where to.
    pub(crate) async fn to_room(
        &self,
        context: &Context,
        room: &RoomArg,
    ) -> Result<(Client, OwnedRoomId), Stop> {
        let client = self.client(context).await?;
        let room = self.destination(context, &client, room).await?;
        Ok((client, room))
    }

    /// Who acts, and the room that was meant.
    pub(crate) async fn in_room(
        &self,
        context: &Context,
        room: &RoomArg,
    ) -> Result<(Client, OwnedRoomId), Failure> {
        let client = self.client(context).await?;
        let room = self.room(context, &client, room).await?;
        Ok((client, room))
    }

    /// Does something within a room; where it is refused, whoever acts enters the room and does it
    /// again: the operator into any, a user into one that is open or that they are invited to.
    pub(crate) async fn within<T>(
        &self,
        client: &Client,
        room: &RoomId,
        context: &Context,
        act: impl AsyncFn() -> Result<T, matrix::Error>,
    ) -> Result<T, matrix::Error> {
        match act().await {
            Err(error) if error.is("M_FORBIDDEN") => {
                if room::require_joined(client, room).await.is_ok() {
                    return Err(no_power(client, room, error));
                }
                if self.acting.is_none() {
                    enter(client, room, context).await?;
                } else {
                    room::join(client, room).await?;
                    let user = client.user_id();
                    context.warn(format!("{user} joined the room `{room}`"));
                }
                act().await.map_err(|error| no_power(client, room, error))
            }
            other => other,
        }
    }

    /// The same for what needs power in the room: an operator who has too little of it gets what a local
    /// member has, where there is one who has more.
    pub(crate) async fn with_power<T>(
        &self,
        client: &Client,
        room: &RoomId,
        context: &Context,
        act: impl AsyncFn() -> Result<T, matrix::Error>,
    ) -> Result<T, matrix::Error> {
        if self.acting.is_some() {
            return self.within(client, room, context, act).await;
        }
        let mut said = act().await;
        if matches!(&said, Err(error) if error.is("M_FORBIDDEN"))
            && room::require_joined(client, room).await.is_err()
        {
            enter(client, room, context).await?;
            said = act().await;
        }
        match said {
            Err(error) if error.is("M_FORBIDDEN") => {
                if room::empower(client, room).await.is_err() {
                    return Err(no_power(client, room, error));
                }
                context.warn(format!("the operator was made an admin of the room `{room}`"));
                act().await
            }
            said => said,
        }
    }
}

/// What is refused to a member is something that its power does not allow.
fn no_power(client: &Client, room: &RoomId, error: matrix::Error) -> matrix::Error {
    if !error.is("M_FORBIDDEN") {
        return error;
    }
    let (user, room) = (client.user_id().to_string(), room.to_string());
    matrix::Error::NoPower { user, room, source: Box::new(error) }
}

/// Lets the operator into a room and says so.
pub(crate) async fn enter(
    client: &Client,
    room: &RoomId,
    context: &Context,
) -> Result<(), matrix::Error> {
    let how = match room::enter(client, room).await? {
        room::Entered::Joined => "",
        room::Entered::AsAdmin => " as an admin of it",
    };
    context.warn(format!("the operator joined the room `{room}`{how}"));
    Ok(())
}
