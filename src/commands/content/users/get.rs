//! `content get-user`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg, user::find},
    },
    context::Context,
    matrix::admin::users::get::User,
    output::{self, Report},
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// A user as machines read it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Shown {
    pub(crate) user_id: String,
    pub(crate) display_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) admin: bool,
    pub(crate) deactivated: bool,
    pub(crate) locked: bool,
    /// Whether the user may read and not write.
    pub(crate) suspended: bool,
    /// Whether nobody sees what the user writes.
    pub(crate) shadow_banned: bool,
    /// The server's word for an account that is no person's, such as `bot`.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// When it was last used, in milliseconds since 1970.
    pub(crate) last_seen_ms: Option<u64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Shown> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let found = find(&operator, &user_id).await?;
    let user = found.ok_or_else(|| Stop::absent("user", "user_id", user_id))?;
    Ok(Reply::done(user.into()))
}

impl From<User> for Shown {
    fn from(user: User) -> Self {
        // Synapse gives seconds for one account and milliseconds in its lists.
        let seconds = user.creation_ts < 100_000_000_000;
        Self {
            user_id: user.name.into(),
            display_name: user.displayname,
            avatar_url: user.avatar_url,
            admin: user.admin,
            deactivated: user.deactivated,
            locked: user.locked,
            suspended: user.suspended,
            shadow_banned: user.shadow_banned,
            kind: user.user_type,
            created_ms: if seconds { user.creation_ts * 1000 } else { user.creation_ts },
            last_seen_ms: user.last_seen_ts,
        }
    }
}

impl Shown {
    pub(crate) fn created(&self) -> String {
        clock::of_ms(self.created_ms)
    }

    pub(crate) fn last_seen(&self) -> String {
        self.last_seen_ms.map_or_else(|| "never".into(), clock::of_ms)
    }

    /// What an account is beside a user's: `admin`, `bot`, both or nothing.
    pub(crate) fn what(&self) -> String {
        let words = [if self.admin { "admin" } else { "" }, self.kind()];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// A word for an account that cannot be used, and nothing for others.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Self { deactivated: true, .. } => "deactivated",
            Self { locked: true, .. } => "locked",
            Self { suspended: true, .. } => "suspended",
            Self { shadow_banned: true, .. } => "shadow-banned",
            _ => "",
        }
    }

    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    fn rows(&self) -> [(&'static str, String); 11] {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let kind = if self.kind().is_empty() { "person" } else { self.kind() };
        [
            ("User", self.user_id.clone()),
            ("Name", text(&self.display_name)),
            ("Type", kind.to_owned()),
            ("Admin", self.admin.to_string()),
            ("Deactivated", self.deactivated.to_string()),
            ("Locked", self.locked.to_string()),
            ("Suspended", self.suspended.to_string()),
            ("Shadow-banned", self.shadow_banned.to_string()),
            ("Avatar", text(&self.avatar_url)),
            ("Created", self.created()),
            ("Last seen", self.last_seen()),
        ]
    }

    fn fields(&self, page: &mut String, count: usize) -> fmt::Result {
        let rows = self.rows().into_iter().take(count);
        let rows: Vec<_> = rows.filter(|(_, value)| !value.is_empty()).collect();
        output::fields(page, &rows)
    }
}

impl Report for Shown {
    fn text(&self, page: &mut String) -> fmt::Result {
        self.fields(page, 5)?;
        // What is unusual is said to everybody.
        let state = self.state();
        if ["", "deactivated"].contains(&state) {
            return Ok(());
        }
        output::fields(page, &[("State", state.to_owned())])
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.fields(page, 11)
    }

    fn id(&self) -> Option<&str> {
        Some(&self.user_id)
    }
}
