//! `content check-name`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::{admin::users::username_available, names},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Localpart: a-z, 0-9 and . _ = - / +
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Checked {
    user_id: String,
    /// Whether an account of this name can be made.
    free: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Checked> {
    let operator = args.patience.operator(context)?;
    let user_id = names::user(&args.name, operator.server_name())?;
    let username = user_id.localpart().to_owned();
    let reason = match operator.send(username_available::Request { username }).await {
        Ok(_) => None,
        Err(error) if error.is("M_USER_IN_USE") => Some("it is taken"),
        Err(error) if error.is("M_EXCLUSIVE") => Some("it is kept for a bridge"),
        Err(error) if error.is("M_INVALID_USERNAME") => Some("the server does not allow it"),
        Err(error) => return Err(error.into()),
    };
    let free = reason.is_none();
    Ok(Reply::done_if(free, Checked { user_id: user_id.into(), free, reason }))
}

impl Sentence for Checked {
    fn sentence(&self) -> String {
        let Self { user_id, reason, .. } = self;
        match reason {
            None => format!("{user_id} is free"),
            Some(reason) => format!("{user_id} is not free: {reason}"),
        }
    }

    fn id(&self) -> &str {
        if self.free { &self.user_id } else { "" }
    }
}
