//! `content remove-registration-token`.

use schemars::JsonSchema;
use serde::Serialize;

use super::shown::found;
use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::admin::tokens::delete,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The token
    pub(crate) token: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    token: String,
    /// Always true.
    removed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let operator = args.patience.operator(context)?;
    let token = found(&operator, &args.token).await?.token;
    context.would(format_args!("take the registration token {token} away"))?;
    operator.send(delete::Request { token: token.clone().into() }).await?;
    Ok(Reply::done(Removed { token, removed: true }))
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        format!("nobody can register with {} any more", self.token)
    }

    fn id(&self) -> &str {
        &self.token
    }
}
