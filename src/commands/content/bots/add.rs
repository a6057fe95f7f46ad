//! `content add-bot`: a user without a password and without rate limits, its token, and where these are
//! wanted a room that it is in and a webhook through which others speak there.

use std::path::PathBuf;

use ruma::{OwnedRoomId, OwnedUserId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{Patience, room::resolved, user::find},
            rooms,
            users::add::deactivated,
        },
    },
    context::Context,
    error::Failure,
    hooks::{
        self,
        registry::{self, Hook},
    },
    instance::lifecycle::hooks::{Taken, take_up},
    matrix::{Error, admin::users, client::Client, names, operator, room, session},
    output::Sentence,
    reply::Outcome,
    secret::{MASK, Secret},
};

/// What the server keeps of an account that a bot is.
pub(crate) const BOT: &str = "bot";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Localpart: a-z, 0-9 and . _ = - / +
    pub(crate) name: String,
    /// Display name
    #[arg(long, value_name = "NAME")]
    pub(crate) display_name: Option<String>,
    /// Let it into this room: id, alias or exact name; a `#name` that is not there is made
    #[arg(long, value_name = "ROOM")]
    pub(crate) room: Option<String>,
    /// Give it an address to which others post what it says in the room
    #[arg(long, requires = "room")]
    pub(crate) hook: bool,
    /// What the address ends with; by default the name of the bot
    #[arg(long, value_name = "ID", requires = "room")]
    pub(crate) hook_name: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Added {
    pub(crate) user_id: String,
    pub(crate) device_id: String,
    /// Shown once, when the bot is made.
    pub(crate) access_token: String,
    /// Where the homeserver is reached.
    pub(crate) url: String,
    pub(crate) existed: bool,
    /// Where the token is kept.
    pub(crate) token_file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<InRoom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hook: Option<WithHook>,
}

/// The room that the bot is in.
#[derive(Serialize, JsonSchema)]
pub(crate) struct InRoom {
    pub(crate) room_id: String,
    /// Whether the room had to be made.
    pub(crate) made: bool,
    /// Whether the bot was in it before.
    pub(crate) existed: bool,
}

/// The address through which others speak there.
#[derive(Serialize, JsonSchema)]
pub(crate) struct WithHook {
    pub(crate) id: String,
    pub(crate) url: String,
    /// The same from this machine.
    pub(crate) local_url: String,
    /// Shown once, when the webhook is made.
    pub(crate) token: String,
    /// Where the token is kept.
    pub(crate) file: PathBuf,
    pub(crate) existed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Added> {
    let admin = args.patience.operator(context)?;
    if let Some(name) = &args.display_name {
        names::display_name(name)?;
    }
    let user_id = names::user(&args.name, &admin.session().server_name)?;
    let hook_id = hook_id(&args, &user_id)?;
    let found = find(&admin, &user_id).await?;
    if let Some(found) = &found {
        if found.user_type.as_deref() != Some(BOT) {
            return Err(Failure::request(format!("`{user_id}` is a user, not a bot"))
                .hinted("choose another name; `content list --type bot` lists the bots")
                .into());
        }
        if found.deactivated {
            return Err(deactivated(&user_id).into());
        }
    }
    let existed = found.is_some();
    if let (Some(id), Some(text)) = (&hook_id, &args.room) {
        is_free(context, &admin, id, &user_id, text).await?;
    }
    context.would(plan(&args, &user_id, hook_id.as_deref()))?;
    if !existed {
        let request = users::put::Request {
            user_id: user_id.clone().into(),
            password: None,
            displayname: args.display_name.clone(),
            admin: None,
            user_type: Some(BOT.into()),
            deactivated: None,
        };
        admin.send(request).await?;
    }
    // Again for one that exists: a first call may have been killed half-way.
    admin.send(users::override_ratelimit::Request::unlimited(user_id.clone())).await?;
    let data = context.data()?;
    let bot = operator::act_as(&data, &admin, &user_id, args.patience.timeout()).await?;
    let place = match &args.room {
        Some(text) => Some(enter(context, &admin, &bot, text, &args.patience).await?),
        None => None,
    };
    let mut hook = None;
    if let (Some(id), Some(place)) = (&hook_id, &place) {
        if room::is_encrypted(&bot, &place.room).await? {
            return Err(Error::Encrypted(place.room.to_string()).into());
        }
        let room = args.room.as_deref().unwrap_or_default();
        let (made, existed) = registry::ensure(&data, id, &user_id, place.room.clone(), room)?;
        // Also for one that exists: the homeserver may have been away when it was made.
        if take_up(context.config()?).await? == Taken::Later {
            context.warn("webhooks are taken when `manage start` has started the homeserver");
        }
        hook = Some((made, existed));
    }
    let made = [
        Some(existed),
        place.as_ref().map(|place| place.was_in),
        hook.as_ref().map(|(_, existed)| *existed),
    ];
    let outcome = if made.contains(&Some(false)) { Outcome::Done } else { Outcome::Moot };
    let answer = answer(context, &bot, existed, place, hook)?;
    Ok(Reply { outcome, answer })
}

/// The name of the webhook, if one is wanted.
fn hook_id(args: &Args, user_id: &OwnedUserId) -> Result<Option<String>, Failure> {
    let id = match &args.hook_name {
        Some(id) => id.clone(),
        None if args.hook => user_id.localpart().to_owned(),
        None => return Ok(None),
    };
    if !registry::is_name(&id) {
        return Err(hooks::Error::Name(id.escape_debug().to_string()).into());
    }
    Ok(Some(id))
}

/// Refuses the name of a webhook that sends to another room or as another bot, before anything is made.
async fn is_free(
    context: &Context,
    admin: &Client,
    id: &str,
    user_id: &OwnedUserId,
    text: &str,
) -> Result<(), Failure> {
    let Some(found) = registry::find(&context.data()?, id)? else { return Ok(()) };
    let room = match resolved(context, admin, text).await {
        Ok(room) => Some(room),
        Err(Error::NoRoom(_)) => None,
        Err(error) => return Err(error.into()),
    };
    if found.user_id == *user_id && room.as_ref() == Some(&found.room_id) {
        return Ok(());
    }
    Err(found.taken().into())
}

fn plan(args: &Args, user_id: &OwnedUserId, hook: Option<&str>) -> String {
    let mut plan = format!("make the bot {user_id}");
    if let Some(room) = &args.room {
        plan += &format!(", let it into {}", room.escape_debug());
    }
    if let Some(hook) = hook {
        plan += &format!(" and make the webhook {hook}");
    }
    plan
}

/// Where a bot is.
struct Place {
    room: OwnedRoomId,
    /// Whether the room had to be made.
    made: bool,
    was_in: bool,
}

/// Lets the bot into the room, which is made if it is a `#name` of this server.
async fn enter(
    context: &Context,
    admin: &Client,
    bot: &Client,
    text: &str,
    patience: &Patience,
) -> Result<Place, Failure> {
    let user_id = bot.session().user_id;
    let server = admin.session().server_name;
    let (room, made) = match resolved(context, admin, text).await {
        Err(Error::NoRoom(name)) => match names::room(text, &server)? {
            names::Room::Alias(alias) if alias.server_name() == server => {
                let timeout = patience.timeout();
                let (room, existed) = rooms::made::ensure(context, admin, &alias, timeout).await?;
                (room, !existed)
            }
            _ => return Err(Error::NoRoom(name).into()),
        },
        found => (found?, false),
    };
    let is_in = match room::membership(bot, &room, &user_id).await {
        Ok(membership) => membership.as_deref() == Some("join"),
        Err(error) if error.is("M_FORBIDDEN") || error.is_not_found() => false,
        Err(error) => return Err(error.into()),
    };
    if !is_in && room::admit(admin, &room, &user_id).await?.is_some() {
        context.warn(format!("the operator joined the room `{room}`"));
    }
    Ok(Place { room, made, was_in: is_in })
}

fn answer(
    context: &Context,
    bot: &Client,
    existed: bool,
    place: Option<Place>,
    hook: Option<(Hook, bool)>,
) -> Result<Added, Failure> {
    let session = bot.session();
    let data = context.data()?;
    // What is new is shown once.
    let shown = |secret: &Secret, existed: bool| {
        if existed { context.masked(secret) } else { secret.expose().to_owned() }
    };
    let hook = match hook {
        None => None,
        Some((hook, existed)) => {
            let config = context.config()?;
            Some(WithHook {
                url: config.hook_address(&hook.id),
                local_url: format!("{}/hook/{}", config.hooks_url(), hook.id),
                token: shown(&hook.token, existed),
                file: registry::file(&data, &hook.id),
                id: hook.id,
                existed,
            })
        }
    };
    let room = place.map(|Place { room, made, was_in }| InRoom {
        room_id: room.into(),
        made,
        existed: was_in,
    });
    Ok(Added {
        token_file: session::file(&data, &session.user_id),
        user_id: session.user_id.into(),
        device_id: session.device_id.clone(),
        access_token: shown(&session.access_token, existed),
        url: session.url,
        existed,
        room,
        hook,
    })
}

/// A token, or how it is shown.
fn token(shown: &str) -> String {
    let hint = if shown == MASK { " (`--show-secrets` shows it)" } else { "" };
    [shown, hint].concat()
}

impl Sentence for Added {
    fn sentence(&self) -> String {
        let word = if self.existed { "exists already:" } else { "made" };
        let mut lines = vec![
            format!("{word} {}", self.user_id),
            format!("device: {}", self.device_id),
            format!("token: {}", token(&self.access_token)),
            format!("token file: {}", self.token_file.display()),
        ];
        if let Some(InRoom { room_id, made, .. }) = &self.room {
            lines.push(format!("room: {room_id}{}", if *made { " (made)" } else { "" }));
        }
        if let Some(hook) = &self.hook {
            lines.push(format!("webhook: {}", hook.url));
            if hook.url != hook.local_url {
                lines.push(format!("webhook on this machine: {}", hook.local_url));
            }
            lines.push(format!("webhook token: {}", token(&hook.token)));
            lines.push(format!("webhook file: {}", hook.file.display()));
        }
        lines.join("\n")
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
