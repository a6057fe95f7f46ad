//! `content remove-user`.

use ruma::OwnedUserId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg, user},
    },
    context::Context,
    error::Failure,
    files,
    hooks::registry,
    instance::lifecycle,
    matrix::{admin::users::deactivate, session},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// Hide the user's messages from who joins later
    #[arg(long)]
    pub(crate) erase: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    pub(crate) user_id: String,
    /// Whether it was there to be deactivated.
    pub(crate) removed: bool,
    #[serde(flatten)]
    pub(crate) gone: Option<Gone>,
    /// Whether it was deactivated before.
    #[serde(skip)]
    already: bool,
}

/// What went with it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Gone {
    /// Whether its messages are hidden from who joins later.
    pub(crate) erased: bool,
    /// The names of its webhooks.
    pub(crate) hooks: Vec<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let operator = args.patience.operator(context)?;
    let own = operator.session();
    let user_id = args.user.resolve(&own.server_name)?;
    if user_id == own.user_id {
        return Err(Failure::request(format!(
            "`{user_id}` is the operator, which this program acts with"
        ))
        .into());
    }
    let found = user::find(&operator, &user_id).await?;
    if found.as_ref().is_none_or(|user| user.deactivated) {
        let user_id = user_id.into();
        let absent = Removed { user_id, removed: false, gone: None, already: found.is_some() };
        return Ok(Reply::done_if(false, absent));
    }
    context.would(format_args!("deactivate {user_id}"))?;
    let data = context.data()?;
    // Nothing more is taken that could not be sent.
    let hooks = registry::remove_of(&data, &user_id)?;
    let erased = args.erase;
    operator.send(deactivate::Request { user_id: user_id.clone().into(), erase: erased }).await?;
    files::remove(&session::file(&data, &user_id))?;
    if !hooks.is_empty() {
        lifecycle::hooks::let_go(context.config()?).await?;
    }
    Ok(Reply::done(Removed::now(user_id, Gone { erased, hooks })))
}

impl Removed {
    fn now(user_id: OwnedUserId, gone: Gone) -> Self {
        Self { user_id: user_id.into(), removed: true, gone: Some(gone), already: false }
    }
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        let Self { user_id, gone, already, .. } = self;
        match gone {
            None if *already => format!("{user_id} is deactivated already"),
            None => format!("there is no user {user_id}"),
            Some(Gone { hooks, .. }) => {
                let mut text = format!("deactivated {user_id}; the name cannot be used again");
                if !hooks.is_empty() {
                    text += &format!("\nits webhooks are gone: {}", hooks.join(", "));
                }
                text
            }
        }
    }

    fn id(&self) -> &str {
        if self.removed || self.already { &self.user_id } else { "" }
    }
}
