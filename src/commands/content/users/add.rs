//! `content add-user`.

use schemars::JsonSchema;
use serde::Serialize;

use super::password::Source;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, user::find},
    },
    context::Context,
    error::Failure,
    matrix::{admin::users, names},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Localpart: a-z, 0-9 and . _ = - / +
    pub(crate) name: String,
    /// Make the user a server admin
    #[arg(long)]
    pub(crate) admin: bool,
    /// Display name
    #[arg(long, value_name = "NAME")]
    pub(crate) display_name: Option<String>,
    #[command(flatten)]
    pub(crate) password: Source,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Added {
    pub(crate) user_id: String,
    /// Of a user that was made now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<bool>,
    pub(crate) existed: bool,
    /// One that was made up; it is shown only now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Added> {
    let operator = args.patience.operator(context)?;
    if let Some(name) = &args.display_name {
        names::display_name(name)?;
    }
    let user_id = names::user(&args.name, operator.server_name())?;
    let password = args.password.read()?;
    if !password.generated {
        // Synapse's own policy does not count for accounts that an admin makes.
        let least = context.config()?.synapse.password_length;
        if password.secret.expose().chars().count() < least as usize {
            return Err(Failure::request(format!(
                "the password has fewer than {least} characters"
            ))
            .hinted("`config show synapse.password_length` explains it")
            .into());
        }
    }
    if let Some(found) = find(&operator, &user_id).await? {
        if found.deactivated {
            return Err(deactivated(&user_id).into());
        }
        let user_id = user_id.into();
        let answer = Added { user_id, admin: None, existed: true, password: None };
        return Ok(Reply::done_if(false, answer));
    }
    context.would(format_args!("make the user {user_id}"))?;
    let request = users::put::Request {
        user_id: user_id.clone().into(),
        password: Some(password.secret.expose().to_owned()),
        displayname: args.display_name,
        admin: Some(args.admin),
        user_type: None,
        deactivated: None,
    };
    operator.send(request).await?;
    if password.generated && context.view().quiet {
        context
            .warn("with `-q` the generated password is not shown, and it is not stored anywhere");
    }
    // Shown once: nobody else knows it, and nothing keeps it.
    let shown = password.generated.then(|| password.secret.expose().to_owned());
    let (user_id, admin) = (user_id.into(), Some(args.admin));
    Ok(Reply::done(Added { user_id, admin, existed: false, password: shown }))
}

/// A name is never given to another: who was deactivated stays in what was said.
pub(crate) fn deactivated(user_id: &ruma::UserId) -> Failure {
    Failure::request(format!("`{user_id}` was deactivated, and its name cannot be used again"))
        .hinted("choose another name; `content list-users --all -v` shows deactivated accounts too")
}

impl Sentence for Added {
    fn sentence(&self) -> String {
        let Self { user_id, existed, password, .. } = self;
        let what = if *existed { "exists already:" } else { "made" };
        let password = password.as_ref();
        let shown = password.map(|it| ["\npassword: ", it, " (shown only now)"].concat());
        [what, " ", user_id, &shown.unwrap_or_default()].concat()
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
