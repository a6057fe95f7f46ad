//! `content add-user`.

use ruma::OwnedUserId;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    password::{Password, Source, line},
    unseen,
    usable::deactivated,
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, turn::turn, user::find},
    },
    context::Context,
    data_dir::DataDir,
    files,
    matrix::{
        self, Error,
        admin::users::{self, get::User},
        client::Client,
        names,
    },
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
    let password = args.password.read_for(context)?;
    // Two that look at once would both find nobody, and the second would be refused or set the password anew.
    let timeout = args.patience.timeout();
    let _turn = turn(context, "users", user_id.localpart(), "content add-user", timeout).await;
    let data = context.data()?;
    if let Some(found) = find(&operator, &user_id).await? {
        return there(&args, context, &data, found);
    }
    context.would(format_args!("make the user {user_id}"))?;
    // Kept until it can be shown: who is killed in between finds it by the same command.
    let kept = unseen::file(&data, &user_id);
    let password = if password.generated {
        let secret = unseen::keep(&kept)?;
        Password { secret, generated: true }
    } else {
        files::remove(&kept)?;
        password
    };
    match make(&args, &operator, user_id.clone(), &password).await {
        Ok(()) => {}
        // Somebody made it since we looked, from another machine or through the server itself.
        Err(error) if error.is("M_USER_IN_USE") => {
            files::remove(&kept)?;
            let found = find(&operator, &user_id).await?.ok_or(error)?;
            return there(&args, context, &data, found);
        }
        Err(error) => return Err(error.into()),
    }
    files::remove(&kept)?;
    let shown = password.shown(context);
    let (user_id, admin) = (user_id.into(), Some(args.admin));
    Ok(Reply::done(Added { user_id, admin, existed: false, password: shown }))
}

async fn make(
    args: &Args,
    operator: &Client,
    user_id: OwnedUserId,
    password: &Password,
) -> Result<(), Error> {
    if operator.is_dendrite() {
        matrix::operator::add(operator, user_id.clone(), &password.secret, args.admin).await?;
        return match &args.display_name {
            Some(name) => matrix::operator::rename(operator, &user_id, name).await,
            None => Ok(()),
        };
    }
    let request = users::put::Request {
        user_id: user_id.into(),
        password: Some(password.secret.expose().to_owned()),
        displayname: args.display_name.clone(),
        avatar_url: None,
        admin: Some(args.admin),
        user_type: None,
        locked: None,
    };
    operator.send(request).await.map(drop)
}

/// The answer where there is such a user, and what of the request was not done.
fn there(args: &Args, context: &Context, data: &DataDir, found: User) -> Answered<Added> {
    let user_id = found.name;
    if found.deactivated {
        return Err(deactivated(&user_id).into());
    }
    // Dendrite does not say who is an admin.
    if args.admin && !found.admin && !data.is_dendrite() {
        context.warn(format!(
            "`--admin` was not applied: {user_id} exists and is no server admin; `content promote-user {}` makes it one",
            user_id.localpart()
        ));
    }
    if args.display_name.is_some() && args.display_name != found.displayname {
        context.warn(format!(
            "`--display-name` was not applied: {user_id} exists and keeps its own; `content rename-user {} NAME` changes it",
            user_id.localpart()
        ));
    }
    if args.password.is_given() {
        context.warn(format!(
            "the password was not applied: {user_id} exists and keeps its own; `content set-password {}` changes it",
            user_id.localpart()
        ));
    }
    let kept = unseen::file(data, &user_id);
    // A dry run shows nothing that could then be shown no more.
    let password =
        if context.dry_run || context.view().quiet { None } else { unseen::take(&kept)? };
    let answer = Added { user_id: user_id.into(), admin: None, existed: true, password };
    Ok(Reply::done_if(false, answer))
}

impl Sentence for Added {
    fn sentence(&self) -> String {
        let Self { user_id, existed, password, .. } = self;
        let what = if *existed { "exists already:" } else { "made" };
        [what, " ", user_id, &line(password.as_ref())].concat()
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
