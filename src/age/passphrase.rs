//! A passphrase, and the keys that are stretched from it. One takes seconds of a slow machine and tens of megabytes:
//! that for a new file can be made before other things are in memory, and that of a file is remembered.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use scrypt::Params;

use super::Error;
use crate::{files, secret::Secret};

const PURPOSE: &[u8] = b"age-encryption.org/v1/scrypt";

/// How much work a try of a passphrase is, as a power of two: 32 MB of memory. The `age` program takes eight
/// times as much, which a small machine may not have to spare beside its homeserver.
const WORK: u8 = if cfg!(test) { 4 } else { 15 };

#[derive(Clone)]
pub(crate) struct Passphrase {
    text: Secret,
    made: Arc<Mutex<Made>>,
}

#[derive(Default)]
struct Made {
    /// For the next file that is sealed, and for that one alone: a key is never used twice.
    next: Option<Stretched>,
    /// Of the file that was opened last.
    last: Option<Stretched>,
}

/// A key and what it was stretched with.
#[derive(Clone)]
pub(super) struct Stretched {
    pub(super) salt: [u8; 16],
    pub(super) work: u8,
    pub(super) key: [u8; 32],
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::secret::MASK)
    }
}

impl Passphrase {
    pub(crate) fn new(text: Secret) -> Self {
        Self { text, made: Arc::default() }
    }

    /// The one in the first line of a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = files::read_input(path, files::PATIENCE)?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(Error::EmptyPassphrase(path.to_owned()));
        }
        Ok(Self::new(Secret::new(line)))
    }

    #[cfg(test)]
    pub(crate) fn expose(&self) -> &str {
        self.text.expose()
    }

    /// Makes the key of the next file that is sealed.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        let next = self.fresh()?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).next = Some(next);
        Ok(())
    }

    /// A key that nothing was sealed with.
    pub(super) fn fresh(&self) -> Result<Stretched, Error> {
        let next = self.made.lock().unwrap_or_else(PoisonError::into_inner).next.take();
        next.map_or_else(|| self.stretched(rand::random(), WORK), Ok)
    }

    /// The key of a file that was sealed with this passphrase.
    pub(super) fn of(&self, salt: [u8; 16], work: u8) -> Result<[u8; 32], Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let last = made.last.as_ref().filter(|it| it.salt == salt && it.work == work);
        if let Some(last) = last {
            return Ok(last.key);
        }
        let stretched = self.stretched(salt, work)?;
        let key = stretched.key;
        made.last = Some(stretched);
        Ok(key)
    }

    fn stretched(&self, salt: [u8; 16], work: u8) -> Result<Stretched, Error> {
        let mut key = [0; 32];
        let parameters = Params::new(work, 8, 1).map_err(|_| Error::Header)?;
        let salted = [PURPOSE, &salt].concat();
        scrypt::scrypt(self.text.expose().as_bytes(), &salted, &parameters, &mut key)
            .map_err(|_| Error::Header)?;
        Ok(Stretched { salt, work, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_made_ahead_seals_one_file_alone() {
        let passphrase = Passphrase::new(Secret::new("correct horse"));
        passphrase.prepare().unwrap();
        let first = passphrase.fresh().unwrap();
        let second = passphrase.fresh().unwrap();
        assert!(first.salt != second.salt && first.key != second.key);
        assert_eq!(passphrase.of(first.salt, first.work).unwrap(), first.key);
        assert_eq!(passphrase.of(second.salt, second.work).unwrap(), second.key);
    }
}
