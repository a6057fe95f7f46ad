//! `content list-registration-tokens`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::shown::Token;
use crate::{
    commands::{
        content::arguments::Patience,
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::admin::tokens::list,
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those that can still be used
    #[arg(long)]
    pub(crate) valid: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs<Token>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tokens {}

impl Listed for Tokens {
    type Row = Token;
    const KEY: &'static str = "tokens";
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Tokens>, Stop> {
    let operator = args.patience.operator(context)?;
    let found = operator.send(list::Request { valid: args.valid.then_some(true) }).await?;
    let tokens: Vec<Token> = found.registration_tokens.into_iter().map(Token::from).collect();
    Ok(List::of(args.list, Tokens {}, tokens))
}

impl Row for Token {
    const HEADING: &'static [&'static str] = &["TOKEN", "FOR", "PENDING", "USED", "EXPIRES"];

    fn cells(&self) -> Vec<String> {
        let (pending, completed) = (self.pending.to_string(), self.completed.to_string());
        vec![self.token.clone(), self.uses(), pending, completed, self.expires()]
    }

    fn id(&self) -> Cow<'_, str> {
        self.token.as_str().into()
    }
}
