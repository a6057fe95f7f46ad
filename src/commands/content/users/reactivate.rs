//! `content reactivate-user`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    password::{Password, Source, line},
    unseen,
    usable::turn,
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg, user::find},
    },
    context::Context,
    files,
    matrix::admin::users::reactivate,
    output::Sentence,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    #[command(flatten)]
    pub(crate) password: Source,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Reactivated {
    user_id: String,
    /// False where the account was not deactivated.
    changed: bool,
    /// One that was made up; it is shown only now.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Reactivated> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    let password = args.password.read_for(context)?;
    let _turn = turn(context, &user_id, "content reactivate-user", args.patience).await;
    let found = find(&operator, &user_id).await?;
    let found = found.ok_or_else(|| Stop::absent("user", "user_id", &user_id))?;
    let kept = unseen::file(&context.data()?, &user_id);
    if !found.deactivated {
        if !password.generated {
            context.warn(format!(
                "the password was not applied: {user_id} is not deactivated; `content set-password {}` changes it",
                user_id.localpart()
            ));
        }
        let seen = context.dry_run || context.view().quiet;
        let password = if seen { None } else { unseen::take(&kept)? };
        let answer = Reactivated { user_id: user_id.into(), changed: false, password };
        return Ok(Reply::done_if(false, answer));
    }
    context.would(format_args!("open the account {user_id} again"))?;
    // Kept until it can be shown: who is killed in between finds it by the same command.
    let password = if password.generated {
        Password { secret: unseen::keep(&kept)?, generated: true }
    } else {
        password
    };
    let secret = password.secret.expose().to_owned();
    operator.send(reactivate::Request::new(user_id.clone(), secret)).await?;
    files::remove(&kept)?;
    let password = password.shown(context);
    Ok(Reply::done(Reactivated { user_id: user_id.into(), changed: true, password }))
}

impl Sentence for Reactivated {
    fn sentence(&self) -> String {
        let Self { user_id, changed, password } = self;
        let what = if *changed { " can be used again" } else { " is not deactivated" };
        [user_id, what, &line(password.as_ref())].concat()
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
