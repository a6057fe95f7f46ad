//! Values that nobody may see: masked wherever they could be printed, kept in files of mode 0600.

use std::{fmt, path::Path};

use rand::{Rng, RngExt as _};
use serde::{Deserialize, Serialize, Serializer};

use crate::files;

/// What is shown in the place of a secret.
pub(crate) const MASK: &str = "*****";

/// A password, token or key. Prints as [`MASK`] everywhere; only [`Secret::expose`] gives it away.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Letters and digits only, so that it needs no quoting anywhere; 43 of them carry 256 bits.
    pub(crate) fn generate(rng: &mut impl Rng) -> Self {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let letter = |_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]);
        Self((0..43).map(letter).collect())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a secret file; one line end at its end does not count.
    pub(crate) fn read(path: &Path) -> Result<Self, files::Error> {
        let mut text = files::read(path)?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(Self(text))
    }

    /// Writes the secret file, mode 0600, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), files::Error> {
        files::write_atomically(path, self.0.as_bytes(), files::PRIVATE)
    }

    /// The secret in the file, or a new one that is then in the file.
    pub(crate) fn read_or_generate(path: &Path, rng: &mut impl Rng) -> Result<Self, files::Error> {
        Self::read_or_make(path, || Self::generate(rng))
    }

    /// The same with one of another form.
    pub(crate) fn read_or_make(
        path: &Path,
        make: impl FnOnce() -> Self,
    ) -> Result<Self, files::Error> {
        match Self::read(path) {
            Err(error) if error.is_not_found() => {
                let secret = make();
                secret.write(path)?;
                Ok(secret)
            }
            other => other,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "***** *****");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"*****\"");
    }
}
