//! `content create-room`.

use ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    made::{existing, taken, turn},
    version,
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Sending, room::own_alias, transaction::quoted, user},
        offered,
    },
    context::Context,
    error::Failure,
    matrix::{
        Error,
        admin::rooms,
        api::{
            create_room::{self, Preset},
            invite,
        },
        client::Client,
        names, new_room, room, sealed,
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
    /// Encrypt it, whatever `rooms.encrypt` says; that cannot be switched off
    #[arg(long, conflicts_with_all = ["no_encryption", "space"])]
    pub(crate) encrypted: bool,
    /// Leave it without encryption, for bridges and programs that can read nothing otherwise
    #[arg(long)]
    pub(crate) no_encryption: bool,
    /// Invite this user; may be given again
    #[arg(long, value_name = "USER", add = offered::users())]
    pub(crate) invite: Vec<String>,
    /// Make a space
    #[arg(long)]
    pub(crate) space: bool,
    /// Of this room version, such as 11; otherwise of the server's default
    #[arg(long, value_name = "VERSION")]
    pub(crate) room_version: Option<String>,
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
    /// Whether what is said there is encrypted; null of a room of which this server knows too little.
    pub(crate) encrypted: Option<bool>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Made> {
    name_fits(&args.name)?;
    topic_fits(args.topic.as_deref().unwrap_or_default())?;
    let client = args.sending.client(context).await?;
    let server = client.server_name().to_owned();
    let alias = args.alias.as_deref().map(|alias| own_alias(alias, &server)).transpose()?;
    let _turn = match &alias {
        Some(alias) => turn(context, alias, args.sending.timeout()).await,
        None => None,
    };
    let (invite, bridged) = invited(&args, context, &client).await?;
    if let Some(found) = there(&client, alias.as_ref()).await? {
        return catch_up(&args, context, &client, found, &invite).await;
    }
    if args.room_version.is_some() {
        // Synapse makes the id of the room first, and would keep it where it then refuses.
        version::wanted(&client, args.room_version.as_deref()).await?;
    }
    let encrypt = is_to_be_encrypted(&args, context, &client, bridged).await?;
    let how = if encrypt { "encrypted room" } else { "room" };
    context.would(format_args!("make the {how} `{}`", args.name))?;
    // Another server may not answer, and a room that is made is then no failure.
    let (own, others): (Vec<_>, Vec<_>) =
        invite.iter().cloned().partition(|user| user.server_name() == server);
    let made = match client.send(request(&args, alias.as_ref(), own, encrypt)).await {
        Ok(made) => made,
        // Somebody on another machine took the alias since we looked. Synapse may keep an id of ours
        // without a member, an alias or a name; nobody can be told of it, and it is no room that anybody
        // sees.
        Err(error) if taken(&error) => match there(&client, alias.as_ref()).await? {
            Some(found) => return catch_up(&args, context, &client, found, &invite).await,
            None => return Err(error.into()),
        },
        Err(error) if error.is_outcome_unknown() => {
            let hint = "`content list-rooms` shows whether it was made";
            return Err(Failure::from(error).hinted(hint).into());
        }
        Err(error) => return Err(error.into()),
    };
    for user_id in others {
        let request = invite::Request { room_id: made.room_id.clone().into(), user_id };
        let user_id = request.user_id.clone();
        if let Err(error) = client.send(request).await {
            context.warn(not_invited(&user_id, &error));
        }
    }
    if args.public {
        let found = room::details(&args.sending.operator(context)?, &made.room_id).await;
        // Synapse makes a room all the same that its rules do not let into the directory.
        if matches!(found, Ok(Some(found)) if !found.public) {
            context.warn(
                "anybody may join the room, but the directory does not list it: \
                 `room_list_publication_rules` in a file of `homeserver.d` says who may list rooms",
            );
        }
    }
    if encrypt && args.sending.acting.is_none() {
        // What others say before the operator does is read by it too. Another account is a person's, and gets a device of
        // ours only for what it says here.
        sealed::prepare(&client).await;
    }
    let encrypted = encrypt || room::is_encrypted(&client, &made.room_id).await?;
    if encrypted && !encrypt && !args.space {
        context.warn(
            "Synapse has encrypted the room: \
             `config show synapse.encryption_enabled_by_default_for_room_type` says which it does",
        );
    }
    // Who speaks to it by its name at once shall find it.
    let operator = args.sending.operator(context)?;
    if !room::is_found_by_name(&operator, &made.room_id, &args.name).await.unwrap_or(true) {
        context.warn(
            "Synapse does not find the room by its name yet; its id or an alias names it at once",
        );
    }
    let (room_id, alias) = (made.room_id.into(), alias.map(Into::into));
    let (name, encrypted) = (Some(args.name), Some(encrypted));
    Ok(Reply::done(Made { room_id, alias, name, existed: false, encrypted }))
}

/// By what was typed, else by the settings; a room with a bridge's users stays clear, and so does a space, in which nobody
/// talks.
async fn is_to_be_encrypted(
    args: &Args,
    context: &Context,
    client: &Client,
    bridged: Option<OwnedUserId>,
) -> Result<bool, Failure> {
    if args.encrypted && client.is_dendrite() {
        let why = "`--encrypted` is not there with Dendrite: only Synapse can do that";
        return Err(Failure::request(why)
            .hinted("without it the room is made unencrypted; nothing was changed"));
    }
    if args.encrypted && !new_room::can(context.config()?) {
        context.warn(
            "this installation can neither read nor write there: `./cli.sh manage install --set encryption.enabled=true` \
             and `manage restart` change that",
        );
    }
    if args.encrypted || args.no_encryption || args.space {
        return Ok(args.encrypted);
    }
    let config = context.config()?;
    if !config.rooms.encrypt.covers(preset(args)) {
        return Ok(false);
    }
    if !new_room::can(config) {
        if config.encryption.enabled {
            context.warn(
                "the room is not encrypted: the program `resource-matrix-crypto` is not beside this one, and \
                 `./cli.sh manage install` builds it",
            );
        }
        return Ok(false);
    }
    let bridged = match (bridged, &args.sending.acting) {
        (None, Some(_)) => {
            let own = client.user_id();
            let operator = args.sending.operator(context)?;
            new_room::is_bridged(&operator, own).await?.then(|| own.to_owned())
        }
        (bridged, _) => bridged,
    };
    if let Some(user_id) = &bridged {
        context.say(format_args!("not encrypted: {user_id} is of a bridge, which could not read"));
    }
    Ok(bridged.is_none())
}

fn not_invited(user_id: &UserId, error: &Error) -> String {
    format!("{user_id} was not invited: {error}; `content invite ROOM {user_id}` tries again")
}

pub(super) fn name_fits(name: &str) -> Result<(), Failure> {
    if name.len() > 255 || name.trim().is_empty() || name.contains(char::is_control) {
        let message = "a room's name has 1 to 255 bytes and no control characters";
        return Err(
            Failure::request(message).hinted("choose another name; the topic has room for more")
        );
    }
    Ok(())
}

/// Synapse makes the room first and then finds that its topic is too large for an event, which has 65,536
/// bytes and holds the topic twice.
pub(super) fn topic_fits(topic: &str) -> Result<(), Failure> {
    const LARGEST: usize = 30_000;
    let size = json!(topic).to_string().len();
    if size > LARGEST {
        let message =
            format!("the topic is too large: {size} bytes as JSON where {LARGEST} are allowed");
        return Err(Failure::request(message).hinted("send the long text as a message, and pin it"));
    }
    Ok(())
}

/// Brings a room that is there nearer to what was asked for: who is missing is invited, and what cannot
/// be is said. A first command may have been killed half-way.
async fn catch_up(
    args: &Args,
    context: &Context,
    client: &Client,
    mut found: Reply<Made>,
    invite: &[OwnedUserId],
) -> Answered<Made> {
    let id = &found.answer.room_id;
    let room: OwnedRoomId =
        id.as_str().try_into().map_err(|_| Error::lacks("the alias", "room_id"))?;
    let details = room::inhabited(&args.sending.operator(context)?, &room).await?;
    if let Some(words) = details.as_ref().and_then(|details| not_applied(args, details)) {
        context.warn(words);
    }
    found.answer.encrypted = details.map(|details| details.encryption.is_some());
    if context.dry_run {
        return Ok(found);
    }
    for user_id in invite {
        let invited = async {
            let membership = room::membership(client, &room, user_id).await?;
            if !matches!(membership.as_deref(), Some("invite" | "join")) {
                let request =
                    invite::Request { room_id: room.clone().into(), user_id: user_id.clone() };
                client.send(request).await?;
                context.say(format_args!("invited {user_id}"));
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = invited.await {
            context.warn(not_invited(user_id, &error));
        }
    }
    Ok(found)
}

/// What a room is not as, and for the name and for encryption how it is changed.
fn not_applied(args: &Args, room: &rooms::list::Room) -> Option<String> {
    let differs = differences(args, room);
    if differs.is_empty() {
        return None;
    }
    let (id, alias) = (&room.room_id, args.alias.as_deref().unwrap_or_default());
    let named = room.name.as_ref().map_or_else(
        || format!("the room {id}, which has no name"),
        |name| format!("the room `{}` ({id})", name.escape_debug()),
    );
    let mut words = format!(
        "the alias `{alias}` is that of {named}, which exists; not applied: {}",
        differs.join(", ")
    );
    if differs.contains(&ENCRYPTED) {
        words += &format!("; `content encrypt-room {}` encrypts it", quoted(id.as_str()));
    }
    if differs.contains(&NAME) {
        let (id, name) = (quoted(id.as_str()), quoted(&args.name));
        words += &format!("; `content set-name {id} {name}` changes its name");
    }
    Some(words)
}

/// As it is said of a room that is called otherwise.
const NAME: &str = "its name";
const ENCRYPTED: &str = "`--encrypted`";

/// The options that a room is not as.
fn differences(args: &Args, room: &rooms::list::Room) -> Vec<&'static str> {
    let differs = [
        (NAME, room.name.as_ref() != Some(&args.name)),
        ("`--topic`", args.topic.is_some() && room.topic != args.topic),
        ("`--public`", args.public && room.join_rules.as_deref() != Some("public")),
        (ENCRYPTED, args.encrypted && room.encryption.is_none()),
        ("`--no-encryption`", args.no_encryption && room.encryption.is_some()),
        ("`--room-version`", args.room_version.is_some() && room.version != args.room_version),
        ("`--space`", args.space && room.room_type.as_deref() != Some("m.space")),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(option, _)| option).collect()
}

/// The room that has the alias already.
async fn there(
    client: &Client,
    alias: Option<&OwnedRoomAliasId>,
) -> Result<Option<Reply<Made>>, Error> {
    let Some(alias) = alias else { return Ok(None) };
    let reply = |room_id| {
        let alias = Some(alias.to_string());
        let answer = Made { room_id, alias, name: None, existed: true, encrypted: None };
        Reply { outcome: Outcome::Moot, answer }
    };
    Ok(existing(client, alias).await?.map(|room| reply(room.into())))
}

/// Who is invited: not who makes the room, who is in it; Synapse would make the room and then refuse. And one of them who is
/// a bridge's, if one is.
async fn invited(
    args: &Args,
    context: &Context,
    client: &Client,
) -> Result<(Vec<OwnedUserId>, Option<OwnedUserId>), Failure> {
    let (mut users, mut bridged) = (Vec::new(), None);
    for name in &args.invite {
        let user_id = names::anyone(name, client.server_name())?;
        if user_id != client.user_id() && !users.contains(&user_id) {
            users.push(user_id);
        }
    }
    for user_id in &users {
        let account = user::require(context, &args.sending.operator(context)?, user_id).await?;
        if account.is_some_and(|account| account.appservice_id.is_some()) {
            bridged = Some(user_id.clone());
        }
    }
    Ok((users, bridged))
}

fn preset(args: &Args) -> Preset {
    if args.public { Preset::PublicChat } else { Preset::PrivateChat }
}

fn request(
    args: &Args,
    alias: Option<&OwnedRoomAliasId>,
    invite: Vec<OwnedUserId>,
    encrypt: bool,
) -> create_room::Request {
    let mut initial_state = Vec::new();
    if encrypt {
        initial_state.push(new_room::encryption());
    }
    if args.space {
        initial_state.push(space_history(args.public));
    }
    create_room::Request {
        name: Some(args.name.clone()),
        room_alias_name: alias.map(|alias| alias.alias().to_owned()),
        topic: args.topic.clone(),
        invite,
        preset: preset(args),
        is_direct: None,
        room_version: args.room_version.clone(),
        creation_content: args.space.then(|| json!({ "type": "m.space" })),
        initial_state,
        visibility: args.public.then(|| "public".to_owned()),
        power_level_content_override: args.space.then(|| space_powers(args.public)),
    }
}

/// In a space nobody talks: it holds rooms, which its moderators put there.
fn space_powers(public: bool) -> Value {
    json!({ "events_default": 100, "invite": if public { 0 } else { 50 } })
}

/// Who may look into a space from outside.
fn space_history(public: bool) -> Value {
    let visibility = if public { "world_readable" } else { "invited" };
    json!({
        "type": "m.room.history_visibility", "state_key": "",
        "content": { "history_visibility": visibility },
    })
}

impl Sentence for Made {
    fn sentence(&self) -> String {
        let alias = self.alias.as_ref().map(|alias| format!(" ({alias})")).unwrap_or_default();
        let what = if self.existed { "exists already:" } else { "made" };
        let how = match self.encrypted {
            Some(true) => ", encrypted",
            Some(false) => ", not encrypted",
            None => "",
        };
        format!("{what} {}{alias}{how}", self.room_id)
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_alias_is_said_and_how_its_name_is_changed() {
        let args = |name: &str| Args {
            name: name.into(),
            alias: Some("alerts".into()),
            topic: None,
            public: false,
            encrypted: false,
            no_encryption: false,
            invite: Vec::new(),
            space: false,
            room_version: None,
            sending: Sending::default(),
        };
        let room = json!({
            "room_id": "!r:x.org", "name": "Alerts", "canonical_alias": "#alerts:x.org",
            "version": "12", "creator": "@a:x.org", "encryption": null,
        });
        let room: rooms::list::Room = serde_json::from_value(room).unwrap();
        assert_eq!(not_applied(&args("Alerts"), &room), None);
        assert_eq!(
            not_applied(&args("Two"), &room).unwrap(),
            "the alias `alerts` is that of the room `Alerts` (!r:x.org), which exists; not applied: its name; \
             `content set-name '!r:x.org' 'Two'` changes its name"
        );
    }

    #[test]
    fn a_topic_that_no_event_can_hold_is_refused_as_the_server_counts_it() {
        assert!(topic_fits(&"x".repeat(29_000)).is_ok());
        assert!(topic_fits(&"x".repeat(70_000)).is_err());
        assert!(topic_fits(&"\"".repeat(20_000)).is_err(), "each is two bytes as JSON");
    }
}
