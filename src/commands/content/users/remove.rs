//! `content remove-user`.

use crate::commands::content::{
    answer::Answer, answer::only_planned, arguments::Patience, arguments::UserArg,
    arguments::user::find,
};
use serde_json::json;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    files,
    hooks::registry,
    instance::lifecycle,
    matrix::{admin::users, session},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(in crate::commands::content) user: UserArg,
    /// Hide the user's messages from who joins later
    #[arg(long)]
    pub(in crate::commands::content) erase: bool,
    #[command(flatten)]
    pub(in crate::commands::content) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.patience.operator(context)?;
    let own = operator.session();
    let user_id = args.user.resolve(&own.server_name)?;
    if user_id == own.user_id {
        return Err(Failure::request(format!(
            "`{user_id}` is the operator, which this program acts with"
        )));
    }
    let missing = match find(&operator, &user_id).await? {
        None => Some((format!("there is no user {user_id}"), None)),
        Some(user) if user.deactivated => {
            Some((format!("{user_id} is deactivated already"), Some(user_id.as_str())))
        }
        Some(_) => None,
    };
    if let Some((text, id)) = missing {
        let fields = json!({ "user_id": user_id, "removed": false });
        output.emit(&Answer::new(text, id, fields));
        return Ok(Outcome::Moot);
    }
    if only_planned(context, output, &format!("deactivate {user_id}")) {
        return Ok(Outcome::Done);
    }
    let data = context.data()?;
    // Nothing more is taken that could not be sent.
    let hooks = registry::remove_of(&data, &user_id)?;
    operator
        .send(users::deactivate::Request { user_id: user_id.clone().into(), erase: args.erase })
        .await?;
    files::remove(&session::file(&data, &user_id))?;
    let mut text = format!("deactivated {user_id}; the name cannot be used again");
    if !hooks.is_empty() {
        lifecycle::hooks::let_go(context.config()?).await?;
        text += &format!("\nits webhooks are gone: {}", hooks.join(", "));
    }
    let fields =
        json!({ "user_id": user_id, "removed": true, "erased": args.erase, "hooks": hooks });
    output.emit(&Answer::new(text, Some(user_id.as_str()), fields));
    Ok(Outcome::Done)
}
