//! `content add-bot`: a user without a password and without rate limits, its token, and where these are
//! wanted a room that it is in and a webhook through which others speak there.

use std::path::PathBuf;

use ruma::{OwnedUserId, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    hook::{self, Hook, shown},
    place::{self, Place, Wish},
    reads::Reads,
};
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{Patience, turn::turn, user},
            users::usable::deactivated,
        },
        offered,
    },
    context::Context,
    data_dir::DataDir,
    error::Failure,
    matrix::{
        admin::users::{get::BOT, override_ratelimit, put},
        bot,
        client::Client,
        names, operator, sealed, session,
    },
    output::Sentence,
    secret::MASK,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Localpart: a-z, 0-9 and . _ = - / +
    pub(crate) name: String,
    /// Display name
    #[arg(long, value_name = "NAME")]
    pub(crate) display_name: Option<String>,
    /// Let it into this room: id, alias or exact name; a `#name` that is not there is made
    #[arg(long, value_name = "ROOM", add = offered::rooms())]
    pub(crate) room: Option<String>,
    /// Encrypt a room that is made; by default one with a webhook is, where `rooms.encrypt` does not say otherwise
    #[arg(long, requires = "room", conflicts_with = "no_encryption")]
    pub(crate) encrypted: bool,
    /// Leave a room that is made without encryption
    #[arg(long, requires = "room")]
    pub(crate) no_encryption: bool,
    /// Give it an address to which others post what it says in the room
    #[arg(long, requires = "room")]
    pub(crate) hook: bool,
    /// What the address ends with; by default the name of the bot
    #[arg(long, value_name = "ID", requires = "room")]
    pub(crate) hook_name: Option<String>,
    #[command(flatten)]
    pub(crate) reads: Reads,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

// No `Debug`: it may hold tokens.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Added {
    pub(crate) user_id: String,
    device_id: String,
    /// Shown when the bot is new, else masked, unless secrets are to be shown.
    access_token: String,
    /// The server's address.
    url: String,
    /// Whether the bot was there already.
    pub(crate) existed: bool,
    /// The file that holds the token.
    token_file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hook: Option<Hook>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Added> {
    let admin = args.patience.operator(context)?;
    if let Some(name) = &args.display_name {
        names::display_name(name)?;
    }
    let user_id = names::user(&args.name, admin.server_name())?;
    let hook_id = args.hook_name.clone();
    let hook_id = hook_id
        .or_else(|| (args.hook || args.reads.is_any()).then(|| user_id.localpart().to_owned()));
    hook_id.as_deref().map(hook::check_name).transpose()?;
    let wishes = args.reads.wishes()?;
    if let Some(text) = &args.room {
        place::check(context, &admin, text).await?;
    }
    let timeout = args.patience.timeout();
    let _turn = turn(context, "users", user_id.localpart(), "content add-bot", timeout).await;
    let data = context.data()?;
    let existed = is_bot(&data, &admin, &user_id).await?;
    if let (Some(id), Some(text)) = (&hook_id, &args.room) {
        hook::is_free(context, &admin, id, &user_id, text).await?;
    }
    context.would(plan(&args, &user_id, hook_id.as_deref()))?;
    // What follows is done again for one that exists: a first call may have been killed half-way.
    let existed = if admin.is_dendrite() {
        bot::ensure(&data, &admin, &user_id, existed, args.display_name.as_deref()).await?;
        existed
    } else {
        let existed = existed || !made(&data, &admin, &user_id, &args).await?;
        admin.send(override_ratelimit::Request::unlimited(user_id.clone())).await?;
        existed
    };
    let bot = operator::act_as(&data, &admin, &user_id, timeout).await?;
    sealed::prepare(&bot).await;
    let mut added = Added::of(context, &bot, existed)?;
    if let Some(text) = &args.room {
        let said = args.encrypted || args.no_encryption;
        let wish = Wish { encrypted: said.then_some(args.encrypted), hooked: hook_id.is_some() };
        let place = place::enter(context, &admin, &bot, text, wish, args.patience).await?;
        if let Some(id) = &hook_id {
            added.hook = Some(hook::ensure(context, &bot, id, &place, text, wishes).await?);
        }
        added.room = Some(place);
    }
    Ok(Reply::done_if(added.is_new(), added))
}

/// True if the bot is there, and an error if something else has its name.
async fn is_bot(data: &DataDir, admin: &Client, user_id: &OwnedUserId) -> Result<bool, Failure> {
    if admin.is_dendrite() {
        return match bot::find(data, admin, user_id).await? {
            Some(false) => Err(a_user(user_id, "choose another name")),
            found => Ok(found.is_some()),
        };
    }
    match user::find(admin, user_id).await? {
        Some(found) if !found.is_bot() => {
            Err(a_user(user_id, "choose another name; `content list --type bot` lists the bots"))
        }
        Some(found) if found.deactivated => Err(deactivated(user_id)),
        found => Ok(found.is_some()),
    }
}

fn a_user(user_id: &UserId, hint: &str) -> Failure {
    Failure::request(format!("`{user_id}` is a user, not a bot")).hinted(hint)
}

/// True if the account was made now; false if somebody on another machine made it since we looked.
async fn made(
    data: &DataDir,
    admin: &Client,
    user_id: &OwnedUserId,
    args: &Args,
) -> Result<bool, Failure> {
    match admin.send(account(user_id, args)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is("M_USER_IN_USE") && is_bot(data, admin, user_id).await? => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn account(user_id: &UserId, args: &Args) -> put::Request {
    put::Request {
        user_id: user_id.to_owned().into(),
        password: None,
        displayname: args.display_name.clone(),
        avatar_url: None,
        admin: None,
        user_type: Some(BOT.into()),
        locked: None,
    }
}

fn plan(args: &Args, user_id: &UserId, hook: Option<&str>) -> String {
    let mut plan = format!("make the bot {user_id}");
    if let Some(room) = &args.room {
        plan += &format!(", let it into {}", room.escape_debug());
    }
    if let Some(hook) = hook {
        plan += &format!(" and make the webhook {hook}");
    }
    plan
}

impl Added {
    /// The bot alone.
    fn of(context: &Context, bot: &Client, existed: bool) -> Result<Self, Failure> {
        let session = bot.session();
        Ok(Self {
            token_file: session::file(&context.data()?, &session.user_id),
            access_token: shown(context, &session.access_token, existed),
            user_id: session.user_id.into(),
            device_id: session.device_id.clone(),
            url: session.url,
            existed,
            room: None,
            hook: None,
        })
    }

    /// Whether anything of it was made now.
    fn is_new(&self) -> bool {
        !self.existed
            || self.room.as_ref().is_some_and(|place| !place.existed)
            || self.hook.as_ref().is_some_and(|hook| !hook.existed || hook.changed)
    }
}

impl Sentence for Added {
    fn sentence(&self) -> String {
        let Self { user_id, device_id, access_token, token_file, existed, .. } = self;
        let hint = |shown: &str| if shown == MASK { " (`--show-secrets` shows it)" } else { "" };
        let new_hook = self.hook.as_ref().filter(|hook| *existed && !hook.existed);
        let what = match new_hook {
            Some(Hook { id, .. }) => format!("made the webhook {id} of the bot"),
            None if *existed => "exists already:".to_owned(),
            None => "made".to_owned(),
        };
        let mut text = format!(
            "{what} {user_id}\ndevice: {device_id}\ntoken: {access_token}{}\ntoken file: {}",
            hint(access_token),
            token_file.display()
        );
        if let Some(Place { room, made, existed: was_in, encrypted }) = &self.room {
            let what = match (made, was_in) {
                (true, _) => "made, ",
                (false, false) if *existed => "let in now, ",
                _ => "",
            };
            let how = if *encrypted { "encrypted" } else { "not encrypted" };
            text += &format!("\nroom: {room} ({what}{how})");
        }
        if let Some(Hook { url, local_url, token, file, changed, .. }) = &self.hook {
            text += &format!("\nwebhook: {url}{}", if *changed { " (changed)" } else { "" });
            if url != local_url {
                text += &format!("\nwebhook on this machine: {local_url}");
            }
            let (hint, file) = (hint(token), file.display());
            text += &format!("\nwebhook token: {token}{hint}\nwebhook file: {file}");
        }
        text
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(existed: bool, hook_existed: bool, was_in: bool) -> String {
        let hook = Hook {
            id: "ci".into(),
            url: "http://x/hook/ci".into(),
            local_url: "http://x/hook/ci".into(),
            token: "t".into(),
            file: "/h".into(),
            existed: hook_existed,
            changed: false,
        };
        let room = "!r:x.org".try_into().unwrap();
        let added = Added {
            user_id: "@bot:x.org".into(),
            device_id: "D".into(),
            access_token: "t".into(),
            url: "http://x".into(),
            existed,
            token_file: "/t".into(),
            room: Some(Place { room, made: false, existed: was_in, encrypted: true }),
            hook: Some(hook),
        };
        added.sentence()
    }

    #[test]
    fn what_was_made_for_a_bot_that_exists_is_said() {
        assert!(added(false, false, false).starts_with("made @bot:x.org\n"));
        assert!(added(true, true, true).starts_with("exists already: @bot:x.org\n"));
        let said = added(true, false, false);
        assert!(said.starts_with("made the webhook ci of the bot @bot:x.org\n"), "{said}");
        assert!(said.contains("room: !r:x.org (let in now, encrypted)\n"), "{said}");
        assert!(!added(true, false, true).contains("let in"));
    }
}
