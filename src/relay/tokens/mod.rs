//! Tokens that somebody else gives to users ([RFC 7519]), taken in the place of a key: whoever the issuer says they are,
//! they are here. What is looked at is which key has signed it; the token does not choose how it is looked at.
//!
//! [RFC 7519]: https://www.rfc-editor.org/rfc/rfc7519

mod claims;
mod jwk;
mod source;

use std::sync::Arc;

use super::{Error, keys::Found};
use crate::{clock, config::sections::relay::Relay};
use claims::Wanted;
use source::Source;

/// Why a token opens nothing. Nothing of it is repeated.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Refused {
    #[error("the token is no JSON Web Token that could be read")]
    Form,
    #[error("the token is not signed as its key signs; RS256, ES256 and EdDSA are taken")]
    Algorithm,
    #[error("the token is signed with a key that its issuer does not name")]
    UnknownKey,
    #[error("the signature of the token is wrong")]
    Signature,
    #[error("the token does not say when it expires (`exp`)")]
    Endless,
    #[error("the token has expired")]
    Expired,
    #[error("the token does not count yet (`nbf`)")]
    Early,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is not for this audience")]
    Audience,
    #[error("the token does not say whose it is (`sub`)")]
    Nobody,
    /// Nothing is known against the token.
    #[error("the keys of the tokens' issuer cannot be had at the moment")]
    NoKeys,
    #[error("the token is of no user, and does not have the scope `relay:admin`")]
    NoUser,
}

/// The issuer that is believed.
pub(super) struct Tokens {
    wanted: Wanted,
    source: Arc<Source>,
}

/// Whether it may be a token; a key never looks so.
pub(super) fn is_one(text: &str) -> bool {
    text.starts_with("ey") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl Tokens {
    /// None where none are taken.
    pub(super) fn of(set: &Relay) -> Result<Option<Self>, Error> {
        match (&set.jwt_issuer, &set.jwt_keys) {
            (None, None) => Ok(None),
            (Some(issuer), Some(keys)) => {
                let wanted = Wanted { issuer: issuer.clone(), audience: set.jwt_audience.clone() };
                Ok(Some(Self { wanted, source: Source::of(keys.clone())? }))
            }
            (None, Some(_)) => Err(Error::Missing("relay.jwt_issuer", "relay.jwt_keys")),
            (Some(_), None) => Err(Error::Missing("relay.jwt_keys", "relay.jwt_issuer")),
        }
    }

    /// Whose it is, and what it opens.
    pub(super) async fn find(&self, token: &str) -> Result<Found, Refused> {
        let signed = jwk::Signed::of(token)?;
        let keys = self.source.keys(signed.key_id()).await.ok_or(Refused::NoKeys)?;
        self.wanted.check(signed.said(&keys)?, clock::now())
    }
}
