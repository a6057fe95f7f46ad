//! `content send-notice`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            MarkupArg, Patience, TransactionArg, UserArg, text::message_text,
            transaction::repeatable, user,
        },
    },
    context::Context,
    error::Failure,
    matrix::{Error, admin::server::notice::Request, message},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// The text; `-`, or nothing where stdin is a pipe, reads it from there
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) markup: MarkupArg,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Told {
    pub(crate) user_id: String,
    pub(crate) event_id: String,
    pub(crate) transaction_id: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Told> {
    let Args { user, text, markup, transaction, patience } = args;
    let id = transaction.id()?;
    let text = message_text(text)?;
    let content = message::text(&text, markup.given().unwrap_or_default(), false);
    message::check_size(&content)?;
    let operator = patience.operator(context)?;
    let user_id = user.resolve(operator.server_name())?;
    user::require(context, &operator, &user_id).await?;
    context.would(format_args!("send {user_id} a notice of the server"))?;
    let transaction_id = id.clone().into();
    let request = Request { transaction_id, user_id: user_id.clone(), content: content.clone() };
    let sent = operator.send(request).await.map_err(|error| match error {
        Error::Refused { status: 400, message, .. } if message.contains("not enabled") => {
            Failure::request("notices of the server are not set up: `server_notices` is missing")
                .hinted(
                    "write `server_notices: {system_mxid_localpart: notices}` into a file of \
                     `homeserver.d` in the data folder, then `manage restart`",
                )
        }
        error => repeatable(error, &format!("content send-notice {user_id} TEXT"), id.as_str()),
    })?;
    if transaction.is_given() {
        message::require_same(&operator, &operator, &sent.event_id, &content, &id).await?;
    }
    Ok(Reply::done(Told {
        user_id: user_id.into(),
        event_id: sent.event_id.into(),
        transaction_id: id.to_string(),
    }))
}

impl Sentence for Told {
    fn sentence(&self) -> String {
        format!("sent {} to {}", self.event_id, self.user_id)
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
