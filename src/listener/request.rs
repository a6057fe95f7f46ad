//! What every request has: a token in its head, and a body within limits.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

/// How long a body may take.
const BODY: Duration = Duration::from_secs(10);

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body ended before it was complete")]
    Cut,
    #[error("the body did not come within {} s", .0.as_secs())]
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

/// The bytes of a body, where there are not too many of them.
pub(crate) async fn read(body: Body, largest: usize) -> Result<Bytes, Unread> {
    // What may be larger may take longer: a second for each 128 KiB.
    let patience = BODY + Duration::from_secs(largest as u64 >> 17);
    match timeout(patience, Limited::new(body, largest).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge(largest)),
        Ok(Err(_)) => Err(Unread::Cut),
        Err(_) => Err(Unread::Late(patience)),
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
