//! A password as the verifier that PostgreSQL keeps, so that the password itself never travels in a
//! statement and never stands in a server's log.

use std::num::NonZeroU32;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand::{Rng, RngExt as _};
use ring::{digest, hmac, pbkdf2};

use crate::secret::Secret;

/// PostgreSQL's own choice (`scram_iterations`).
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (RFC 5803, PostgreSQL docs
/// `pg_authid`). A password that has no `SASLprep` form is taken as it is, as PostgreSQL does.
pub(super) fn verifier(password: &Secret, rng: &mut impl Rng) -> Secret {
    let mut salt = [0; 16];
    rng.fill(&mut salt);
    Secret::new(verifier_with(password.expose(), &salt))
}

fn verifier_with(password: &str, salt: &[u8]) -> String {
    let prepared = stringprep::saslprep(password);
    let password = prepared.as_deref().unwrap_or(password);
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, salt, password.as_bytes(), &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client_key = hmac::sign(&key, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let server_key = hmac::sign(&key, b"Server Key");
    format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key)
    )
}

/// Whether a verifier is that of this password.
pub(super) fn matches(verifier: &str, password: &Secret) -> bool {
    let salt = verifier.split(['$', ':']).nth(2).and_then(|salt| STANDARD.decode(salt).ok());
    salt.is_some_and(|salt| verifier_with(password.expose(), &salt) == verifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_of_rfc_7677() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = verifier_with("pencil", &salt);
        assert_eq!(
            verifier,
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert!(matches(&verifier, &Secret::new("pencil")));
        assert!(!matches(&verifier, &Secret::new("crayon")));
        assert!(!matches("md5abc", &Secret::new("pencil")));
    }
}
