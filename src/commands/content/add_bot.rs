//! `content add-bot`: a user without a password and without rate limits, and its token.

use serde_json::json;

use super::{
    add_user::{deactivated, find},
    answer::{Answer, Patience, only_planned},
};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    matrix::{admin::users, names, operator},
    output::Output,
};

/// What the server keeps of an account that a bot is.
pub(super) const BOT: &str = "bot";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name: a-z, 0-9 and . _ = - / +
    pub(super) name: String,
    /// What others see
    #[arg(long, value_name = "NAME")]
    pub(super) display_name: Option<String>,
    #[command(flatten)]
    pub(super) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let admin = args.patience.operator(context)?;
    if let Some(name) = &args.display_name {
        names::display_name(name)?;
    }
    let user_id = names::user(&args.name, &admin.session().server_name)?;
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
    if only_planned(context, output, &format!("make the bot {user_id}")) {
        return Ok(Outcome::Done);
    }
    if !existed {
        let request = users::put::Request {
            user_id: user_id.clone().into(),
            password: None,
            displayname: args.display_name,
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
    let session = bot.session();
    let token = output.masked(&session.access_token);
    let shown = if existed { token } else { session.access_token.expose().to_owned() };
    let hidden = existed && !output.show_secrets;
    let text = format!(
        "{} {user_id}\ndevice: {}\ntoken: {shown}{}",
        if existed { "exists already:" } else { "made" },
        session.device_id,
        if hidden { " (`--show-secrets` shows it)" } else { "" }
    );
    let fields = json!({
        "user_id": user_id, "device_id": session.device_id, "access_token": shown,
        "url": session.url, "existed": existed,
    });
    output.emit(&Answer::new(text, Some(user_id.as_str()), fields));
    Ok(if existed { Outcome::Moot } else { Outcome::Done })
}
