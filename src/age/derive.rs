//! Keys that come from other keys, and the cipher that all of them are for.

use ring::{
    aead::{CHACHA20_POLY1305, LessSafeKey, UnboundKey},
    hkdf,
};

use super::Error;

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

/// A key that comes from another one (HKDF with SHA-256).
pub(super) fn derived(secret: &[u8], salt: &[u8], info: &str) -> Result<[u8; 32], Error> {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let info = [info.as_bytes()];
    let expanded = extracted.expand(&info, Length).map_err(|_| Error::Cipher)?;
    expanded.fill(&mut key).map_err(|_| Error::Cipher)?;
    Ok(key)
}

pub(super) fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, Error> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| Error::Cipher)
}
