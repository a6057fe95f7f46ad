//! Calls that are signed by their sender with a secret that both know, in place of our token.

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use crate::secret::Secret;

/// How old a call with a moment may be, in seconds, either way.
const FRESH: u64 = 300;

/// What a call is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature<'a> {
    /// `X-Hub-Signature-256` of GitHub: a hash of the body.
    Body(&'a str),
    /// `X-Gitlab-Token`: the secret itself.
    Word(&'a str),
    /// `X-Slack-Signature` with the moment: a hash of both.
    Dated { hash: &'a str, moment: &'a str },
}

impl<'a> Signature<'a> {
    /// The one of a call, if it has one.
    pub(super) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let get = |name: &str| headers.get(name).map(|it| it.to_str().unwrap_or_default());
        if let Some(hash) = get("x-hub-signature-256") {
            return Some(Self::Body(hash.strip_prefix("sha256=").unwrap_or_default()));
        }
        if let Some(hash) = get("x-gitea-signature").or(get("x-grafana-alerting-signature")) {
            return Some(Self::Body(hash));
        }
        if let Some(word) = get("x-gitlab-token") {
            return Some(Self::Word(word));
        }
        let hash = get("x-slack-signature")?.strip_prefix("v0=").unwrap_or_default();
        Some(Self::Dated { hash, moment: get("x-slack-request-timestamp").unwrap_or_default() })
    }

    /// Whether it was made with this secret; `now` in seconds. What is compared takes the same time
    /// whatever differs.
    pub(super) fn is_of(self, secret: &Secret, body: &[u8], now: u64) -> bool {
        let signed = |parts: &[&[u8]], hash: &str| {
            let Ok(hash) = HEXLOWER_PERMISSIVE.decode(hash.as_bytes()) else { return false };
            let key = secret.expose().as_bytes();
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
            for part in parts {
                mac.update(part);
            }
            mac.verify_slice(&hash).is_ok()
        };
        match self {
            Self::Body(hash) => signed(&[body], hash),
            // What differs is where two hashes differ, which tells nobody anything.
            Self::Word(word) => Sha256::digest(word) == Sha256::digest(secret.expose()),
            Self::Dated { hash, moment } => {
                let is_fresh = moment.parse().is_ok_and(|at: u64| at.abs_diff(now) <= FRESH);
                is_fresh && signed(&[b"v0:", moment.as_bytes(), b":", body], hash)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_with_the_secret_is_known_and_nothing_else() {
        let secret = Secret::new("It's a Secret to Everybody");
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>()
        };
        // The example of GitHub's documentation.
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let github = headers(&[("x-hub-signature-256", good)]);
        let signature = Signature::of(&github).unwrap();
        assert!(signature.is_of(&secret, b"Hello, World!", 0));
        assert!(!signature.is_of(&secret, b"Hello, World?", 0));
        assert!(!signature.is_of(&Secret::new("x"), b"Hello, World!", 0));
        for bad in ["", "sha256=", "757107ea", "sha1=757107ea", "sha256=xyz"] {
            let headers = headers(&[("x-hub-signature-256", bad)]);
            assert!(!Signature::of(&headers).unwrap().is_of(&secret, b"Hello, World!", 0), "{bad}");
        }
        let gitlab = headers(&[("x-gitlab-token", "It's a Secret to Everybody")]);
        assert!(Signature::of(&gitlab).unwrap().is_of(&secret, b"", 0));
        assert!(
            !Signature::of(&headers(&[("x-gitlab-token", "")])).unwrap().is_of(&secret, b"", 0)
        );
        let slack = headers(&[
            (
                "x-slack-signature",
                "v0=bdf49b4666c128742230b84c2b4619ea008599c1c7b79a60dba5dfbf33a6f312",
            ),
            ("x-slack-request-timestamp", "1531420618"),
        ]);
        let secret = Secret::new("8f742231b10e8888abcd99yyyzzz85a5");
        let signature = Signature::of(&slack).unwrap();
        assert!(signature.is_of(&secret, b"text=a", 1_531_420_618 + FRESH));
        assert!(!signature.is_of(&secret, b"text=a", 1_531_420_619 + FRESH));
        assert!(!signature.is_of(&secret, b"text=b", 1_531_420_618));
        assert!(Signature::of(&HeaderMap::new()).is_none());
    }
}
