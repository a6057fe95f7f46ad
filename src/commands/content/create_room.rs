//! `content create-room`.

use http::Method;
use serde_json::json;

use super::answer::{Answer, Reach, only_planned};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    matrix::{Error, names, room},
    output::Output,
};

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
    if let Some(alias) = &alias {
        if alias.server_name() != server {
            return Err(Failure::request(format!("the alias `{alias}` is not one of `{server}`")));
        }
        match room::resolve(&client, alias.as_str()).await {
            Ok(room) => {
                let text = format!("{alias} exists already: {room}");
                let fields = json!({ "room_id": room, "alias": alias, "existed": true });
                output.emit(&Answer::new(text, Some(room.as_str()), fields));
                return Ok(Outcome::Moot);
            }
            Err(Error::NoRoom(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let invite = args.invite.iter().map(|user| names::anyone(user, &server));
    let invite = invite.collect::<std::result::Result<Vec<_>, _>>()?;
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
    let made = client.raw(Method::POST, "/_matrix/client/v3/createRoom", Some(&body)).await;
    let made = made.map_err(|error| {
        let unknown = error.is_outcome_unknown();
        let failure = Failure::from(error);
        if unknown {
            failure.hinted("`content list-rooms` shows whether it was made")
        } else {
            failure
        }
    })?;
    let id = made["room_id"].as_str().unwrap_or_default();
    let shown = alias.as_ref().map(|alias| format!(" ({alias})")).unwrap_or_default();
    let fields = json!({ "room_id": id, "alias": alias, "name": args.name, "existed": false });
    output.emit(&Answer::new(format!("made {id}{shown}"), Some(id), fields));
    Ok(Outcome::Done)
}
