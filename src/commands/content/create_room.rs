//! `content create-room`.

use std::time::Duration;

use http::Method;
use ruma::{OwnedRoomId, RoomAliasId};
use serde_json::json;
use tokio::time::Instant;

use super::answer::{Answer, Reach, only_planned};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    matrix::{Error, client::Client, names, room},
    output::Output,
    process::Lock,
};

const CREATE: &str = "/_matrix/client/v3/createRoom";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the room is called
    pub(super) name: String,
    /// Give it this address: `ops` is `#ops:` and the server's name
    #[arg(long)]
    pub(super) alias: Option<String>,
    /// What it is about
    #[arg(long)]
    pub(super) topic: Option<String>,
    /// Let anybody join
    #[arg(long)]
    pub(super) public: bool,
    /// Switch encryption on; it cannot be switched off, and this program cannot write there
    #[arg(long)]
    pub(super) encrypted: bool,
    /// Invite this user; may be given again
    #[arg(long, value_name = "USER")]
    pub(super) invite: Vec<String>,
    /// Make a space
    #[arg(long)]
    pub(super) space: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    if args.name.len() > 255 || args.name.trim().is_empty() || args.name.contains(char::is_control)
    {
        return Err(Failure::request("a room's name has 1 to 255 bytes and no control characters"));
    }
    let client = args.reach.client(context).await?;
    let server = client.session().server_name;
    let alias = args.alias.as_deref().map(|alias| names::alias(alias, &server)).transpose()?;
    let _turn = match &alias {
        Some(alias) if !context.dry_run => turn(context, alias, args.reach.timeout()).await,
        _ => None,
    };
    if let Some(alias) = &alias {
        if alias.server_name() != server {
            return Err(Failure::request(format!("the alias `{alias}` is not one of `{server}`")));
        }
        if let Some(outcome) = existing(&client, alias, output).await? {
            return Ok(outcome);
        }
    }
    let invite = args.invite.iter().map(|user| names::anyone(user, &server));
    let mut invite = invite.collect::<std::result::Result<Vec<_>, _>>()?;
    // Who makes a room is in it; Synapse would make the room and then refuse.
    let own = client.session().user_id;
    invite.retain(|user| *user != own);
    for user in invite.iter().filter(|user| user.server_name() == server) {
        if super::add_user::find(&args.reach.operator(context)?, user).await?.is_none() {
            return Err(Error::NoUser(user.to_string()).into());
        }
    }
    if only_planned(context, output, &format!("make the room `{}`", args.name)) {
        return Ok(Outcome::Done);
    }
    let mut body = json!({
        "name": args.name, "invite": invite,
        "preset": if args.public { "public_chat" } else { "private_chat" },
        "visibility": "private",
    });
    if let Some(alias) = &alias {
        body["room_alias_name"] = alias.alias().into();
    }
    if let Some(topic) = &args.topic {
        body["topic"] = topic.as_str().into();
    }
    if args.space {
        body["creation_content"] = json!({ "type": "m.space" });
    }
    if args.encrypted {
        body["initial_state"] = json!([{
            "type": "m.room.encryption", "state_key": "",
            "content": { "algorithm": "m.megolm.v1.aes-sha2" },
        }]);
    }
    let made = client.raw(Method::POST, CREATE, Some(&body)).await;
    // Somebody on another machine took the alias since we looked. Synapse may keep an id of ours
    // without a member, an alias or a name; nobody can be told of it, and it is no room that anybody
    // sees.
    if let (Some(alias), Err(error)) = (&alias, &made)
        && taken(error)
        && let Some(outcome) = existing(&client, alias, output).await?
    {
        return Ok(outcome);
    }
    let made = made.map_err(|error| {
        let unknown = error.is_outcome_unknown();
        let failure = Failure::from(error);
        if unknown {
            failure.hinted("`content list-rooms` shows whether it was made")
        } else {
            failure
        }
    })?;
    let id = made["room_id"].as_str().ok_or_else(|| Error::lacks(CREATE, "room_id"))?;
    let shown = alias.as_ref().map(|alias| format!(" ({alias})")).unwrap_or_default();
    let fields = json!({ "room_id": id, "alias": alias, "name": args.name, "existed": false });
    output.emit(&Answer::new(format!("made {id}{shown}"), Some(id), fields));
    Ok(Outcome::Done)
}

/// The room of an alias of this server, made where there is none: private, and called like its alias.
/// True if it was there.
pub(super) async fn ensure(
    context: &Context,
    client: &Client,
    alias: &RoomAliasId,
    timeout: Duration,
) -> std::result::Result<(OwnedRoomId, bool), Error> {
    let _turn = turn(context, alias, timeout).await;
    match room::resolve(client, alias.as_str()).await {
        Err(Error::NoRoom(_)) => {}
        found => return Ok((found?, true)),
    }
    let body = json!({
        "name": alias.alias(), "room_alias_name": alias.alias(),
        "preset": "private_chat", "visibility": "private",
    });
    match client.raw(Method::POST, CREATE, Some(&body)).await {
        Ok(made) => {
            let id = made["room_id"].as_str().and_then(|id| OwnedRoomId::try_from(id).ok());
            Ok((id.ok_or_else(|| Error::lacks(CREATE, "room_id"))?, false))
        }
        Err(error) if taken(&error) => Ok((room::resolve(client, alias.as_str()).await?, true)),
        Err(error) => Err(error),
    }
}

/// Of several on this machine that want an alias, one makes the room and the others find it: Synapse
/// would keep a row of each room that it then refuses. Without the lock it is only less tidy.
async fn turn(context: &Context, alias: &RoomAliasId, timeout: Duration) -> Option<Lock> {
    /// Few files, and rooms with other names seldom wait for each other.
    const LOCKS: u32 = 16;
    let run = context.data().ok()?.run();
    let number = alias.alias().bytes().map(u32::from).sum::<u32>() % LOCKS;
    let path = run.join(format!("rooms-{number}.lock"));
    Lock::acquire(&path, "content create-room", Instant::now() + timeout, &mut |_| ()).await.ok()
}

/// Says which room has the alias already, if one has.
async fn existing(
    client: &Client,
    alias: &RoomAliasId,
    output: &Output,
) -> std::result::Result<Option<Outcome>, Error> {
    match room::resolve(client, alias.as_str()).await {
        Ok(room) => {
            let text = format!("exists already: {room} ({alias})");
            let fields = json!({ "room_id": room, "alias": alias, "existed": true });
            output.emit(&Answer::new(text, Some(room.as_str()), fields));
            Ok(Some(Outcome::Moot))
        }
        Err(Error::NoRoom(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the alias is in use: Synapse says so in two ways, the second where two came at once.
fn taken(error: &Error) -> bool {
    error.is("M_ROOM_IN_USE") || matches!(error, Error::Refused { status: 409, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_taken_in_both_ways_that_the_server_says_it() {
        let refused = |status, errcode: &str| Error::Refused {
            status,
            errcode: errcode.into(),
            message: "Room alias #a:x.org already exists".into(),
            retry_after: None,
        };
        assert!(taken(&refused(409, "M_UNKNOWN")));
        assert!(taken(&refused(400, "M_ROOM_IN_USE")));
        assert!(!taken(&refused(400, "M_UNKNOWN")));
    }
}
