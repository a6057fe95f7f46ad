//! `content create-room`.

use ruma::{OwnedRoomAliasId, OwnedUserId, ServerName};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::made::{existing, taken, turn};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Sending, user},
        offered,
    },
    context::Context,
    error::Failure,
    matrix::{
        Error,
        api::create_room::{self, Preset},
        client::Client,
        names,
    },
    output::Sentence,
    reply::Outcome,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the room is called
    pub(crate) name: String,
    /// Give it this address: `ops` is `#ops:` and the server's name
    #[arg(long)]
    pub(crate) alias: Option<String>,
    /// What it is about
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Let anybody join
    #[arg(long)]
    pub(crate) public: bool,
    /// Switch encryption on; it cannot be switched off, and this program cannot write there
    #[arg(long)]
    pub(crate) encrypted: bool,
    /// Invite this user; may be given again
    #[arg(long, value_name = "USER", add = offered::users())]
    pub(crate) invite: Vec<String>,
    /// Make a space
    #[arg(long)]
    pub(crate) space: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Made {
    pub(crate) room_id: String,
    pub(crate) alias: Option<String>,
    /// Of a room that was made now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Whether another room had the alias already; then it is that room.
    pub(crate) existed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Made> {
    if args.name.len() > 255 || args.name.trim().is_empty() || args.name.contains(char::is_control)
    {
        return Err(
            Failure::request("a room's name has 1 to 255 bytes and no control characters").into()
        );
    }
    let client = args.sending.client(context).await?;
    let server = client.server_name().to_owned();
    let alias = args.alias.as_deref().map(|alias| of_server(alias, &server)).transpose()?;
    let _turn = match &alias {
        Some(alias) if !context.dry_run => turn(context, alias, args.sending.timeout()).await,
        _ => None,
    };
    if let Some(found) = there(&client, alias.as_ref()).await? {
        return Ok(found);
    }
    let invite = invited(&args, context, &client).await?;
    context.would(format_args!("make the room `{}`", args.name))?;
    let made = match client.send(request(&args, alias.as_ref(), invite)).await {
        Ok(made) => made,
        // Somebody on another machine took the alias since we looked. Synapse may keep an id of ours
        // without a member, an alias or a name; nobody can be told of it, and it is no room that anybody
        // sees.
        Err(error) if taken(&error) => match there(&client, alias.as_ref()).await? {
            Some(found) => return Ok(found),
            None => return Err(error.into()),
        },
        Err(error) if error.is_outcome_unknown() => {
            let hint = "`content list-rooms` shows whether it was made";
            return Err(Failure::from(error).hinted(hint).into());
        }
        Err(error) => return Err(error.into()),
    };
    let (room_id, alias) = (made.room_id.into(), alias.map(Into::into));
    Ok(Reply::done(Made { room_id, alias, name: Some(args.name), existed: false }))
}

fn of_server(alias: &str, server: &ServerName) -> Result<OwnedRoomAliasId, Failure> {
    let alias = names::alias(alias, server)?;
    if alias.server_name() != server {
        let message = format!("the alias `{alias}` is not one of `{server}`");
        return Err(Failure::request(message));
    }
    Ok(alias)
}

/// The room that has the alias already.
async fn there(
    client: &Client,
    alias: Option<&OwnedRoomAliasId>,
) -> Result<Option<Reply<Made>>, Error> {
    let Some(alias) = alias else { return Ok(None) };
    let reply = |room_id| {
        let alias = Some(alias.to_string());
        let answer = Made { room_id, alias, name: None, existed: true };
        Reply { outcome: Outcome::Moot, answer }
    };
    Ok(existing(client, alias).await?.map(|room| reply(room.into())))
}

/// Who is invited: not who makes the room, who is in it; Synapse would make the room and then refuse.
async fn invited(
    args: &Args,
    context: &Context,
    client: &Client,
) -> Result<Vec<OwnedUserId>, Failure> {
    let own = client.session();
    let mut users = Vec::new();
    for name in &args.invite {
        let user_id = names::anyone(name, &own.server_name)?;
        if user_id != own.user_id {
            users.push(user_id);
        }
    }
    for user_id in &users {
        user::require(&args.sending.operator(context)?, user_id).await?;
    }
    Ok(users)
}

fn request(
    args: &Args,
    alias: Option<&OwnedRoomAliasId>,
    invite: Vec<OwnedUserId>,
) -> create_room::Request {
    let encryption = json!({
        "type": "m.room.encryption", "state_key": "",
        "content": { "algorithm": "m.megolm.v1.aes-sha2" },
    });
    create_room::Request {
        name: Some(args.name.clone()),
        room_alias_name: alias.map(|alias| alias.alias().to_owned()),
        topic: args.topic.clone(),
        invite,
        preset: if args.public { Preset::PublicChat } else { Preset::PrivateChat },
        creation_content: args.space.then(|| json!({ "type": "m.space" })),
        initial_state: if args.encrypted { vec![encryption] } else { Vec::new() },
    }
}

impl Sentence for Made {
    fn sentence(&self) -> String {
        let alias = self.alias.as_ref().map(|alias| format!(" ({alias})")).unwrap_or_default();
        let what = if self.existed { "exists already:" } else { "made" };
        format!("{what} {}{alias}", self.room_id)
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
