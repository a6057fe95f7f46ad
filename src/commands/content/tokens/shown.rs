//! A registration token as it is shown. It is no secret of the server: people are given it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    error::Failure,
    matrix::{Error, admin::tokens::get, client::Client},
    reply::Stop,
};

/// The letters that Synapse takes.
const LETTERS: &str = "a-z, A-Z, 0-9 and . _ ~ -";
const LONGEST: usize = 64;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Token {
    pub(super) token: String,
    /// How many may register with it; none where there is no limit.
    pub(super) uses_allowed: Option<u64>,
    /// How many are registering with it now.
    pub(super) pending: u64,
    /// How many have registered with it.
    pub(super) completed: u64,
    /// When it ends, in milliseconds since 1970; none where it does not.
    pub(super) expires_ms: Option<u64>,
}

impl From<get::Token> for Token {
    fn from(token: get::Token) -> Self {
        Self {
            token: token.token,
            uses_allowed: token.uses_allowed,
            pending: token.pending,
            completed: token.completed,
            expires_ms: token.expiry_time,
        }
    }
}

impl Token {
    pub(super) fn uses(&self) -> String {
        self.uses_allowed.map_or_else(|| "any number".into(), |uses| uses.to_string())
    }

    pub(super) fn expires(&self) -> String {
        self.expires_ms.map_or_else(|| "never".into(), clock::of_ms)
    }

    /// What it allows, as the end of a sentence.
    pub(super) fn bounds(&self) -> String {
        let uses = match self.uses_allowed {
            None => "for any number of people".to_owned(),
            Some(1) => "for one person".to_owned(),
            Some(uses) => format!("for {uses} people"),
        };
        let until = self.expires_ms.map(|at| format!(", until {}", clock::of_ms(at)));
        uses + &until.unwrap_or_default()
    }
}

/// The token of that name.
pub(super) async fn found(operator: &Client, token: &str) -> Result<Token, Stop> {
    check(token)?;
    match operator.send(get::Request { token: token.to_owned().into() }).await {
        Ok(found) => Ok(found.token.into()),
        Err(error @ Error::Refused { .. }) if error.is_not_found() => {
            Err(Stop::absent("registration token", "token", token))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a text can be a token.
fn check(token: &str) -> Result<(), Failure> {
    let letter = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    // As a step in a path these two would be lost.
    let step = [".", ".."].contains(&token);
    if token.is_empty() || token.len() > LONGEST || step || !token.chars().all(letter) {
        let shown = token.escape_debug();
        let message = format!("`{shown}` cannot be a registration token");
        return Err(
            Failure::request(message).hinted(format!("it has 1 to {LONGEST} letters of {LETTERS}"))
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_letters_that_synapse_takes() {
        for good in ["a", "A.b_c~d-9", &"x".repeat(64)] {
            check(good).unwrap();
        }
        for bad in ["", "a b", "ö", "a/b", ".", "..", &"x".repeat(65)] {
            check(bad).unwrap_err();
        }
    }
}
