//! The keys of those who may read, and of those who seal for them.

use std::{fmt, path::Path};

use bech32::{Bech32, Hrp, primitives::decode::CheckedHrpstring};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{Error, MAGIC, derive::derived, passphrase::Passphrase};
use crate::{files, secret::Secret};

const PUBLIC: &str = "age";
const SECRET: &str = "age-secret-key-";

/// A public key: `age1…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Recipient(pub(super) [u8; 32]);

impl Recipient {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let is_other = || {
            let checked = CheckedHrpstring::new::<Bech32>(text);
            checked.is_ok_and(|it| it.hrp().to_lowercase().starts_with(PUBLIC))
                || text.starts_with("age1pq1")
        };
        match decoded(text, PUBLIC) {
            Some(key) => Ok(Self(key)),
            None if is_other() => Err(Error::OtherRecipient(text.to_owned())),
            None => Err(Error::NoRecipient(text.to_owned())),
        }
    }

    /// Those in a file, one a line; lines that begin with `#` are comments.
    pub(crate) fn read(path: &Path) -> Result<Vec<Self>, Error> {
        let text = files::read_input(path, files::PATIENCE)?;
        let found: Vec<Self> =
            lines(&text).map(|(_, line)| Self::parse(line)).collect::<Result<_, _>>()?;
        if found.is_empty() { Err(Error::NoRecipients(path.to_owned())) } else { Ok(found) }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_lower_to_fmt::<Bech32, _>(f, Hrp::parse_unchecked(PUBLIC), &self.0)
            .map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A secret key: `AGE-SECRET-KEY-1…`.
#[derive(Clone)]
pub(crate) struct Identity(pub(super) StaticSecret);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::secret::MASK)
    }
}

impl Identity {
    pub(crate) fn generate() -> Self {
        Self(StaticSecret::from(rand::random::<[u8; 32]>()))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        decoded(text, SECRET).map(|key| Self(StaticSecret::from(key)))
    }

    /// The first key in such a text.
    pub(crate) fn in_text(text: &str) -> Option<Self> {
        lines(text).find_map(|(_, line)| Self::parse(line))
    }

    /// Those in a file as `age-keygen` writes it.
    pub(crate) fn read(path: &Path) -> Result<Vec<Self>, Error> {
        let text = files::read_input(path, files::PATIENCE)?;
        if text.as_bytes().starts_with(MAGIC) || text.starts_with("-----BEGIN AGE ENCRYPTED FILE") {
            return Err(Error::SealedIdentity(path.to_owned()));
        }
        let mut found = Vec::new();
        for (line, text) in lines(&text) {
            let bad = || Error::BadIdentity { path: path.to_owned(), line };
            found.push(Self::parse(text).ok_or_else(bad)?);
        }
        if found.is_empty() { Err(Error::NoIdentity(path.to_owned())) } else { Ok(found) }
    }

    pub(crate) fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0).to_bytes())
    }

    /// As it is written in a file.
    pub(crate) fn text(&self) -> Secret {
        let written =
            bech32::encode_upper::<Bech32>(Hrp::parse_unchecked(SECRET), self.0.as_bytes());
        Secret::new(written.unwrap_or_default())
    }

    /// Another secret that comes from this one.
    pub(crate) fn derived(&self, purpose: &str) -> Result<[u8; 32], Error> {
        derived(self.0.as_bytes(), &[], purpose)
    }
}

/// The lines that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn decoded(text: &str, kind: &str) -> Option<[u8; 32]> {
    let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
    if checked.hrp().to_lowercase() != kind {
        return None;
    }
    checked.byte_iter().collect::<Vec<u8>>().try_into().ok()
}

/// Whom something is sealed for.
#[derive(Clone, Debug)]
pub(crate) enum To {
    Recipients(Vec<Recipient>),
    Passphrase(Passphrase),
}

impl To {
    /// Does what takes memory, before other things take it.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        match self {
            Self::Recipients(_) => Ok(()),
            Self::Passphrase(passphrase) => passphrase.prepare(),
        }
    }
}

/// What somebody can open with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    pub(crate) identities: Vec<Identity>,
    pub(crate) passphrase: Option<Passphrase>,
}
