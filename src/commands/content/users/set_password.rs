//! `content set-password`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    add::deactivated,
    password::{Source, line},
    unseen,
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg, user::find},
    },
    context::Context,
    error::Failure,
    files,
    matrix::admin::users::reset_password,
    output::Sentence,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// Leave the user logged in where they are
    #[arg(long)]
    pub(crate) keep_sessions: bool,
    #[command(flatten)]
    pub(crate) password: Source,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Changed {
    user_id: String,
    /// Whether the user was logged out everywhere.
    logged_out: bool,
    /// One that was made up; it is shown only now.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Changed> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    if user_id == operator.user_id() {
        let message = format!("`{user_id}` is the operator, which this program logs in by itself");
        let file = context.data()?.secret("operator_password");
        let hint = format!("its password is in `{}`, for a login with a client", file.display());
        return Err(Failure::request(message).hinted(hint).into());
    }
    let password = args.password.read_for(context)?;
    let found = find(&operator, &user_id).await?;
    let found = found.ok_or_else(|| Stop::absent("user", "user_id", user_id.clone()))?;
    if found.deactivated {
        return Err(deactivated(&user_id).into());
    }
    context.would(format_args!("give {user_id} a new password"))?;
    let new_password = password.secret.expose().to_owned();
    let logged_out = !args.keep_sessions;
    let target = user_id.clone().into();
    let request =
        reset_password::Request { user_id: target, new_password, logout_devices: logged_out };
    operator.send(request).await?;
    files::remove(&unseen::file(&context.data()?, &user_id))?;
    let password = password.shown(context);
    Ok(Reply::done(Changed { user_id: user_id.into(), logged_out, password }))
}

impl Sentence for Changed {
    fn sentence(&self) -> String {
        let Self { user_id, logged_out, password } = self;
        let sessions = if *logged_out { "logged out everywhere" } else { "still logged in" };
        ["new password of ", user_id, ", ", sessions, &line(password.as_ref())].concat()
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
