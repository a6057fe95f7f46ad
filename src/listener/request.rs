//! What every request has: a token in its head, and a body within limits.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};

/// How long a body may bring nothing.
const BODY: Duration = Duration::from_secs(10);
/// How much it brings a second on the whole, in bytes: who sends byte after byte is as good as silent.
const SLOWEST: u64 = 32 << 10;

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body ended before it was complete")]
    Cut,
    #[error(
        "the body comes too slowly: something within {} s, and {} KiB a second, are waited for",
        .0.as_secs(), SLOWEST >> 10
    )]
    Late(Duration),
}

impl Unread {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Cut => StatusCode::BAD_REQUEST,
            Self::Late(_) => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// The token of the header.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether it is this secret. What differs is where two hashes differ, which tells nobody anything.
pub(crate) fn is(token: &str, secret: &str) -> bool {
    Sha256::digest(token) == Sha256::digest(secret)
}

/// Refuses what says itself that it is too large.
pub(crate) fn announced(headers: &HeaderMap, largest: usize) -> Result<(), Unread> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > largest) {
        return Err(Unread::TooLarge(largest));
    }
    Ok(())
}

/// The bytes of a body, where there are not too many of them and they keep coming.
pub(crate) async fn read(body: Body, largest: usize) -> Result<Bytes, Unread> {
    read_within(BODY, body, largest).await
}

pub(super) async fn read_within(
    patience: Duration,
    body: Body,
    largest: usize,
) -> Result<Bytes, Unread> {
    let begun = Instant::now();
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut all = Vec::with_capacity(announced.min(largest));
    let mut body = Limited::new(body, largest);
    loop {
        let earned = Duration::from_secs(all.len() as u64 / SLOWEST);
        let deadline = Instant::now().min(begun + earned) + patience;
        let Ok(frame) = timeout_at(deadline, body.frame()).await else {
            return Err(Unread::Late(patience));
        };
        match frame {
            None => return Ok(all.into()),
            Some(Ok(frame)) => all.extend_from_slice(frame.data_ref().map_or(&[], |it| it)),
            Some(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(Unread::TooLarge(largest));
            }
            Some(Err(_)) => return Err(Unread::Cut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_stands_behind_bearer() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, http::HeaderValue::from_static(value));
            token(&headers).map(ToOwned::to_owned)
        };
        assert_eq!(of("Bearer abc"), Some("abc".to_owned()));
        assert_eq!(of("bearer  abc"), Some("abc".to_owned()));
        assert_eq!(of("Basic abc"), None);
        assert_eq!(of("abc"), None);
        assert_eq!(token(&HeaderMap::new()), None);
        assert!(is("abc", "abc") && !is("ab", "abc"));
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let read = |largest| read(Body::from("four"), largest);
        assert_eq!(read(4).await.unwrap(), "four");
        assert!(matches!(read(3).await.unwrap_err(), Unread::TooLarge(3)));
    }
}
