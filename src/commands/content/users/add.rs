//! `content add-user`.

use ruma::{OwnedUserId, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use super::password::{Password, Source};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, user},
    },
    context::Context,
    error::Failure,
    matrix::{admin::users::put, names},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name: a-z, 0-9 and . _ = - / +
    pub(crate) name: String,
    /// Make it a server admin
    #[arg(long)]
    pub(crate) admin: bool,
    /// What others see
    #[arg(long, value_name = "NAME")]
    pub(crate) display_name: Option<String>,
    #[command(flatten)]
    pub(crate) password: Source,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

// No `Debug`: it may hold a password.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Added {
    pub(crate) user_id: String,
    /// Of a user that was made now: whether it is an admin of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<bool>,
    /// Whether it was there already; then nothing was changed.
    pub(crate) existed: bool,
    /// One that was made up. Shown once: nobody else knows it, and nothing keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Added> {
    let operator = args.patience.operator(context)?;
    if let Some(name) = &args.display_name {
        names::display_name(name)?;
    }
    let user_id = names::user(&args.name, &operator.session().server_name)?;
    let password = args.password.read()?;
    long_enough(&password, context)?;
    match user::find(&operator, &user_id).await? {
        Some(found) if found.deactivated => return Err(deactivated(&user_id).into()),
        Some(_) => return Ok(Reply::done_if(false, Added::before(user_id))),
        None => {}
    }
    context.would(format_args!("make the user {user_id}"))?;
    let shown = password.secret.expose().to_owned();
    let request = put::Request {
        user_id: user_id.clone().into(),
        password: Some(shown.clone()),
        displayname: args.display_name,
        admin: Some(args.admin),
        user_type: None,
        deactivated: None,
    };
    operator.send(request).await?;
    if password.generated && context.view().quiet {
        context.warn("with `-q` the password that was made up is not shown, and nothing keeps it");
    }
    let password = password.generated.then_some(shown);
    let (user_id, admin) = (user_id.into(), Some(args.admin));
    Ok(Reply::done(Added { user_id, admin, existed: false, password }))
}

/// Synapse's own policy does not count for accounts that an admin makes.
fn long_enough(password: &Password, context: &Context) -> Result<(), Failure> {
    if password.generated {
        return Ok(());
    }
    let least = context.config()?.synapse.password_length;
    if password.secret.expose().chars().count() < least as usize {
        return Err(Failure::request(format!("the password has fewer than {least} characters"))
            .hinted("`config show synapse.password_length` explains it"));
    }
    Ok(())
}

/// A name is never given to another: who was deactivated stays in what was said.
pub(in crate::commands::content) fn deactivated(user_id: &UserId) -> Failure {
    Failure::request(format!("`{user_id}` was deactivated, and its name cannot be used again"))
        .hinted("choose another name; `content list-users --all -v` shows deactivated accounts too")
}

impl Added {
    fn before(user_id: OwnedUserId) -> Self {
        Self { user_id: user_id.into(), admin: None, existed: true, password: None }
    }
}

impl Sentence for Added {
    fn sentence(&self) -> String {
        let Self { user_id, existed, password, .. } = self;
        let how = if *existed { "exists already:" } else { "made" };
        let password = password.as_ref();
        let password =
            password.map(|shown| ["\npassword: ", shown, " (shown only now)"].concat());
        format!("{how} {user_id}{}", password.unwrap_or_default())
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
