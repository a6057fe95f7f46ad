//! `content get-user`.

use crate::commands::content::{
    answer::Answer, arguments::Patience, arguments::UserArg, arguments::user::find,
};
use serde_json::{Value, json};

use crate::{
    clock,
    commands::{Outcome, Result},
    context::Context,
    matrix::admin::users::get::User,
    output::{self, Output},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(in crate::commands::content) user: UserArg,
    #[command(flatten)]
    pub(in crate::commands::content) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(&operator.session().server_name)?;
    let Some(user) = find(&operator, &user_id).await? else {
        let fields = json!({ "user_id": user_id, "found": false });
        output.emit(&Answer::new(format!("there is no user {user_id}"), None, fields));
        return Ok(Outcome::Moot);
    };
    let mut text = String::new();
    let mut rows = vec![
        ("User", user.name.to_string()),
        ("Name", user.displayname.clone().unwrap_or_default()),
        ("Type", Some(kind(&user)).filter(|kind| !kind.is_empty()).unwrap_or("person").to_owned()),
        ("Admin", user.admin.to_string()),
        ("Deactivated", user.deactivated.to_string()),
    ];
    if output.verbose {
        rows.extend([
            ("Locked", user.locked.to_string()),
            ("Avatar", user.avatar_url.clone().unwrap_or_default()),
            ("Created", created(&user)),
            ("Last seen", last_seen(&user)),
        ]);
    }
    rows.retain(|(_, value)| !value.is_empty());
    output::fields(&mut text, &rows).ok();
    output.emit(&Answer::page(text, Some(user.name.to_string()), fields(&user)));
    Ok(Outcome::Done)
}

fn created_ms(user: &User) -> u64 {
    // Synapse gives seconds for one account and milliseconds in its lists.
    let seconds = user.creation_ts < 100_000_000_000;
    if seconds { user.creation_ts * 1000 } else { user.creation_ts }
}

pub(in crate::commands::content) fn created(user: &User) -> String {
    clock::of_ms(created_ms(user))
}

pub(in crate::commands::content) fn last_seen(user: &User) -> String {
    user.last_seen_ts.map_or_else(|| "never".into(), clock::of_ms)
}

/// The server's word for an account that is no person's, such as `bot`.
fn kind(user: &User) -> &str {
    user.user_type.as_deref().unwrap_or_default()
}

/// What an account is beside a user's: `admin`, `bot`, both or nothing.
pub(in crate::commands::content) fn what(user: &User) -> String {
    let words = [if user.admin { "admin" } else { "" }, kind(user)];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A word for an account that cannot be used, and nothing for others.
pub(in crate::commands::content) fn state(user: &User) -> &'static str {
    match (user.deactivated, user.locked) {
        (true, _) => "deactivated",
        (_, true) => "locked",
        _ => "",
    }
}

/// A user as machines read it.
pub(in crate::commands::content) fn fields(user: &User) -> Value {
    json!({
        "user_id": user.name, "display_name": user.displayname, "avatar_url": user.avatar_url,
        "admin": user.admin, "deactivated": user.deactivated, "locked": user.locked,
        "type": user.user_type, "created_ms": created_ms(user), "last_seen_ms": user.last_seen_ts,
    })
}
