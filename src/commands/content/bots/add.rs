//! `content add-bot`: a user without a password and without rate limits, its token, and where these are
//! wanted a room that it is in and a webhook through which others speak there.

use crate::commands::content::{
    answer::Answer, answer::only_planned, arguments::Patience, arguments::room::resolved,
    arguments::user::find, rooms, users::add::deactivated,
};
use ruma::{OwnedRoomId, OwnedUserId};
use serde_json::json;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    hooks::{
        self,
        registry::{self, Hook},
    },
    instance::lifecycle::hooks::{Taken, take_up},
    matrix::{Error, admin::users, client::Client, names, operator, room, session},
    output::Output,
};

/// What the server keeps of an account that a bot is.
pub(in crate::commands::content) const BOT: &str = "bot";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name: a-z, 0-9 and . _ = - / +
    pub(in crate::commands::content) name: String,
    /// What others see
    #[arg(long, value_name = "NAME")]
    pub(in crate::commands::content) display_name: Option<String>,
    /// Let it into this room: id, alias or exact name; a `#name` that is not there is made
    #[arg(long, value_name = "ROOM")]
    pub(in crate::commands::content) room: Option<String>,
    /// Give it an address to which others post what it says in the room
    #[arg(long, requires = "room")]
    pub(in crate::commands::content) hook: bool,
    /// What the address ends with; by default the name of the bot
    #[arg(long, value_name = "ID", requires = "room")]
    pub(in crate::commands::content) hook_name: Option<String>,
    #[command(flatten)]
    pub(in crate::commands::content) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
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
                .hinted("choose another name; `content list --type bot` lists the bots"));
        }
        if found.deactivated {
            return Err(deactivated(&user_id));
        }
    }
    let existed = found.is_some();
    if let (Some(id), Some(text)) = (&hook_id, &args.room) {
        is_free(context, &admin, id, &user_id, text).await?;
    }
    if only_planned(context, output, &plan(&args, &user_id, hook_id.as_deref())) {
        return Ok(Outcome::Done);
    }
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
        Some(text) => Some(enter(context, &admin, &bot, text, &args.patience, output).await?),
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
            output.warn("webhooks are taken when `manage start` has started the homeserver");
        }
        hook = Some((made, existed));
    }
    let made = [
        Some(existed),
        place.as_ref().map(|place| place.was_in),
        hook.as_ref().map(|(_, existed)| *existed),
    ];
    let outcome = if made.contains(&Some(false)) { Outcome::Done } else { Outcome::Moot };
    emit(context, output, &bot, existed, place.as_ref(), hook.as_ref())?;
    Ok(outcome)
}

/// The name of the webhook, if one is wanted.
fn hook_id(args: &Args, user_id: &OwnedUserId) -> std::result::Result<Option<String>, Failure> {
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
) -> std::result::Result<(), Failure> {
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
    output: &Output,
) -> std::result::Result<Place, Failure> {
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
        output.warn(format!("the operator joined the room `{room}`"));
    }
    Ok(Place { room, made, was_in: is_in })
}

fn emit(
    context: &Context,
    output: &Output,
    bot: &Client,
    existed: bool,
    place: Option<&Place>,
    hook: Option<&(Hook, bool)>,
) -> std::result::Result<(), Failure> {
    let session = bot.session();
    let data = context.data()?;
    let file = session::file(&data, &session.user_id);
    // What is new is shown once.
    let shown = |secret, existed| {
        let masked = output.masked(secret);
        if existed { masked } else { secret.expose().to_owned() }
    };
    let hint = |existed| {
        if existed && !output.show_secrets { " (`--show-secrets` shows it)" } else { "" }
    };
    let token = shown(&session.access_token, existed);
    let word = if existed { "exists already:" } else { "made" };
    let mut text = format!(
        "{word} {}\ndevice: {}\ntoken: {token}{}\ntoken file: {}",
        session.user_id,
        session.device_id,
        hint(existed),
        file.display()
    );
    let mut fields = json!({
        "user_id": session.user_id, "device_id": session.device_id, "access_token": token,
        "url": session.url, "existed": existed, "token_file": file,
    });
    if let Some(Place { room, made, was_in }) = place {
        text += &format!("\nroom: {room}{}", if *made { " (made)" } else { "" });
        fields["room"] = json!({ "room_id": room, "made": made, "existed": was_in });
    }
    if let Some((hook, existed)) = hook {
        let config = context.config()?;
        let (address, local) =
            (config.hook_address(&hook.id), format!("{}/hook/{}", config.hooks_url(), hook.id));
        let token = shown(&hook.token, *existed);
        let file = registry::file(&data, &hook.id);
        text += &format!("\nwebhook: {address}");
        if address != local {
            text += &format!("\nwebhook on this machine: {local}");
        }
        text += &format!(
            "\nwebhook token: {token}{}\nwebhook file: {}",
            hint(*existed),
            file.display()
        );
        fields["hook"] = json!({
            "id": hook.id, "url": address, "local_url": local, "token": token, "file": file,
            "existed": existed,
        });
    }
    output.emit(&Answer::new(text, Some(session.user_id.as_str()), fields));
    Ok(())
}
