//! `content get-user`.

use serde_json::{Value, json};

use super::{
    add_user::find,
    answer::{Answer, Reach},
};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::{admin::users::get::User, names},
    output::{self, Output},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The user
    pub(super) name: String,
    #[command(flatten)]
    pub(super) reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.reach.only_operator(context)?;
    let user_id = names::user(&args.name, &operator.session().server_name)?;
    let Some(user) = find(&operator, &user_id).await? else {
        let fields = json!({ "user_id": user_id, "found": false });
        output.emit(&Answer::new(format!("there is no user {user_id}"), None, fields));
        return Ok(Outcome::Moot);
    };
    let mut text = String::new();
    let rows = [
        ("User", user.name.to_string()),
        ("Name", user.displayname.clone().unwrap_or_default()),
        ("Admin", user.admin.to_string()),
        ("Deactivated", user.deactivated.to_string()),
    ];
    output::fields(&mut text, &rows).ok();
    output.emit(&Answer::new(text, Some(user.name.as_str()), fields(&user)));
    Ok(Outcome::Done)
}

/// A user as machines read it.
pub(super) fn fields(user: &User) -> Value {
    // Synapse gives seconds for one account and milliseconds in its lists.
    let seconds = user.creation_ts < 100_000_000_000;
    let created_ms = if seconds { user.creation_ts * 1000 } else { user.creation_ts };
    json!({
        "user_id": user.name, "display_name": user.displayname, "avatar_url": user.avatar_url,
        "admin": user.admin, "deactivated": user.deactivated, "locked": user.locked,
        "type": user.user_type, "created_ms": created_ms, "last_seen_ms": user.last_seen_ts,
    })
}
