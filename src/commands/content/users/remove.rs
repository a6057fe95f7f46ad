//! `content remove-user`.

use ruma::UserId;
use schemars::JsonSchema;
use serde::Serialize;

use super::usable::{not_operator, turn};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg, user::find},
    },
    context::Context,
    error::Failure,
    files,
    hooks::registry,
    instance::lifecycle,
    matrix::{admin::users, client::Client, leaders::is_only_leader, room, session},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// Hide the user's messages from who joins later
    #[arg(long)]
    pub(crate) erase: bool,
    /// Deactivate even if nobody else could lead a room that the user leads
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    pub(crate) user_id: String,
    /// False where there is no such user, or not any more.
    pub(crate) removed: bool,
    /// Whether the user's messages were hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) erased: Option<bool>,
    /// The webhooks that went with a bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hooks: Option<Vec<String>>,
    /// Whether there is such an account.
    #[serde(skip)]
    known: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    not_operator(&operator, &user_id)?;
    let _turn = turn(context, &user_id, "content remove-user", args.patience).await;
    let found = find(&operator, &user_id).await?;
    if found.as_ref().is_none_or(|user| user.deactivated) {
        let (user_id, known) = (user_id.into(), found.is_some());
        let answer = Removed { user_id, removed: false, erased: None, hooks: None, known };
        return Ok(Reply::done_if(false, answer));
    }
    if !args.force {
        leads_nothing(&operator, &user_id).await?;
    }
    context.would(format_args!("deactivate {user_id}"))?;
    let data = context.data()?;
    // Nothing more is taken that could not be sent.
    let hooks = registry::remove_of(&data, &user_id)?;
    operator
        .send(users::deactivate::Request { user_id: user_id.clone().into(), erase: args.erase })
        .await?;
    files::remove(&session::file(&data, &user_id))?;
    if !hooks.is_empty() {
        lifecycle::hooks::let_go(context.config()?).await?;
    }
    Ok(Reply::done(Removed {
        user_id: user_id.into(),
        removed: true,
        erased: Some(args.erase),
        hooks: Some(hooks),
        known: true,
    }))
}

/// A deactivated user leaves all rooms.
async fn leads_nothing(operator: &Client, user_id: &UserId) -> Result<(), Failure> {
    let request = users::joined_rooms::Request { user_id: user_id.to_owned().into() };
    let mut led = Vec::new();
    for room in operator.send(request).await?.joined_rooms {
        if is_only_leader(operator, &room, user_id).await? {
            let name = room::details(operator, &room).await?.and_then(|found| found.name);
            let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
            led.push(format!("`{room}`{name}"));
        }
    }
    if led.is_empty() {
        return Ok(());
    }
    let message = format!("nobody else could lead {} without `{user_id}`", led.join(", "));
    Err(Failure::request(message).hinted("`--force` deactivates the user all the same"))
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        let Self { user_id, removed, hooks, known, .. } = self;
        match (removed, known) {
            (true, _) => {
                let hooks = hooks.as_ref().filter(|hooks| !hooks.is_empty());
                let hooks = hooks
                    .map(|hooks| format!("\nits webhooks are gone: {}", hooks.join(", ")))
                    .unwrap_or_default();
                format!("deactivated {user_id}; the name is given to nobody else{hooks}")
            }
            (_, true) => format!("{user_id} is deactivated already"),
            _ => format!("there is no user {user_id}"),
        }
    }

    fn id(&self) -> &str {
        if self.known { &self.user_id } else { "" }
    }
}
