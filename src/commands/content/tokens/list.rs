//! `content list-registration-tokens`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::shown::Token;
use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::admin::tokens::list,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those that can still be used
    #[arg(long)]
    pub(crate) valid: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tokens {
    tokens: Vec<Token>,
    total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Tokens> {
    let operator = args.patience.operator(context)?;
    let found = operator.send(list::Request { valid: args.valid.then_some(true) }).await?;
    let tokens: Vec<Token> = found.registration_tokens.into_iter().map(Token::from).collect();
    Ok(Reply::done(Tokens { total: tokens.len(), tokens }))
}

impl Report for Tokens {
    fn text(&self, page: &mut String) -> fmt::Result {
        let heading = ["TOKEN", "FOR", "PENDING", "USED", "EXPIRES"];
        let row = |token: &Token| {
            let Token { pending, completed, .. } = token;
            let (pending, completed) = (pending.to_string(), completed.to_string());
            vec![token.token.clone(), token.uses(), pending, completed, token.expires()]
        };
        table(page, &heading, self.tokens.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.tokens.iter().map(|token| token.token.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
