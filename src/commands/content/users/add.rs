//! `content add-user`.

use crate::commands::content::{
    answer::Answer, answer::only_planned, arguments::Patience, arguments::user::find,
    users::password::Source,
};
use serde_json::json;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    matrix::{admin::users, names},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name: a-z, 0-9 and . _ = - / +
    pub(in crate::commands::content) name: String,
    /// Make it a server admin
    #[arg(long)]
    pub(in crate::commands::content) admin: bool,
    /// What others see
    #[arg(long, value_name = "NAME")]
    pub(in crate::commands::content) display_name: Option<String>,
    #[command(flatten)]
    pub(in crate::commands::content) password: Source,
    #[command(flatten)]
    pub(in crate::commands::content) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.patience.operator(context)?;
    if let Some(name) = &args.display_name {
        names::display_name(name)?;
    }
    let user_id = names::user(&args.name, &operator.session().server_name)?;
    let password = args.password.read()?;
    if !password.generated {
        // Synapse's own policy does not count for accounts that an admin makes.
        let least = context.config()?.synapse.password_length;
        if password.secret.expose().chars().count() < least as usize {
            return Err(Failure::request(format!(
                "the password has fewer than {least} characters"
            ))
            .hinted("`config show synapse.password_length` explains it"));
        }
    }
    if let Some(found) = find(&operator, &user_id).await? {
        if found.deactivated {
            return Err(deactivated(&user_id));
        }
        let text = format!("exists already: {user_id}");
        let fields = json!({ "user_id": user_id, "existed": true });
        output.emit(&Answer::new(text, Some(user_id.as_str()), fields));
        return Ok(Outcome::Moot);
    }
    if only_planned(context, output, &format!("make the user {user_id}")) {
        return Ok(Outcome::Done);
    }
    let request = users::put::Request {
        user_id: user_id.clone().into(),
        password: Some(password.secret.expose().to_owned()),
        displayname: args.display_name,
        admin: Some(args.admin),
        user_type: None,
        deactivated: None,
    };
    operator.send(request).await?;
    let mut text = format!("made {user_id}");
    let mut fields = json!({ "user_id": user_id, "admin": args.admin, "existed": false });
    if password.generated {
        // Shown once: nobody else knows it, and nothing keeps it.
        let shown = password.secret.expose();
        text += &["\npassword: ", shown, " (shown only now)"].concat();
        fields["password"] = password.secret.expose().into();
        if output.quiet {
            output
                .warn("with `-q` the password that was made up is not shown, and nothing keeps it");
        }
    }
    output.emit(&Answer::new(text, Some(user_id.as_str()), fields));
    Ok(Outcome::Done)
}

/// A name is never given to another: who was deactivated stays in what was said.
pub(in crate::commands::content) fn deactivated(user_id: &ruma::UserId) -> Failure {
    Failure::request(format!("`{user_id}` was deactivated, and its name cannot be used again"))
        .hinted("choose another name; `content list-users --all -v` shows deactivated accounts too")
}
