//! `content log-in-as`.

use std::path::PathBuf;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::usable::{not_operator, usable};

use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg},
        moment::{ahead, ms},
    },
    context::Context,
    error::Failure,
    matrix::admin::users::login,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// How long the token can be used: 15m, 12h, 7d
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = ahead)]
    pub(crate) valid_for: Timestamp,
    /// Put the token into this file, which only you can read
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// A token that acts as a user.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Token {
    user_id: String,
    /// Masked, unless secrets are to be shown.
    access_token: String,
    /// The file that holds the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
    /// When it ends, in milliseconds since 1970.
    expires_ms: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Token> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    not_operator(&operator, &user_id)?;
    if args.token_file.is_none() && !context.view().show_secrets {
        let message = "the token would be masked, and nothing keeps it";
        let hint = "`--token-file FILE` puts it into a private file; `--show-secrets` shows it";
        return Err(Failure::request(message).hinted(hint).into());
    }
    usable(&operator, &user_id).await?;
    context.would(format_args!("make a token that acts as {user_id}"))?;
    let valid_until_ms = ms(args.valid_for);
    let request = login::Request { user_id: user_id.clone().into(), valid_until_ms };
    let token = operator.send(request).await?.access_token;
    if let Some(file) = &args.token_file {
        token.write(file)?;
    }
    Ok(Reply::done(Token {
        user_id: user_id.into(),
        access_token: context.masked(&token),
        token_file: args.token_file,
        expires_ms: valid_until_ms,
    }))
}

impl Sentence for Token {
    fn sentence(&self) -> String {
        let Self { user_id, access_token, token_file, expires_ms } = self;
        let mut text = format!(
            "a token that acts as {user_id} until {}\ntoken: {access_token}",
            clock::of_ms(*expires_ms)
        );
        if let Some(file) = token_file {
            text += &format!("\ntoken file: {}", file.display());
        }
        text
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
