//! Files that only some can read, in the format of [age] (`age-encryption.org/v1`): written and read piece by
//! piece, with keys or a passphrase, and interchangeable with the `age` program.
//!
//! The format alone is ours: the ciphers, the curve and the derivation of keys are those of libraries. The crate
//! for all of it brings seventy others along, most of them to translate its messages.
//!
//! A file begins with a header that holds the file's own key, wrapped for each who may read it; what follows are
//! pieces of 64 KiB, each sealed and numbered, the last one marked as such.
//!
//! [age]: https://github.com/C2SP/C2SP/blob/main/age.md

mod derive;
mod error;
mod header;
mod keys;
mod passphrase;
mod stream;
mod wrap;

pub(crate) use error::Error;
pub(crate) use keys::{Identity, Keys, Recipient, To};
pub(crate) use passphrase::Passphrase;
pub(crate) use stream::{Opener, Sealer};

/// What such a file begins with.
pub(crate) const MAGIC: &[u8] = b"age-encryption.org/v1\n";
/// The end of its name.
pub(crate) const SUFFIX: &str = ".age";

/// The key of one file, which everything else in it comes from.
type FileKey = [u8; 16];

/// What comes before the pieces where there is one key: the version, its stanza, the sum of the header; the nonce.
const HEADER: u64 = 22 + (3 + 6 + 1 + 43 + 1) + (43 + 1) + (4 + 43 + 1) + 16;

/// How large what has so many bytes is when it is sealed for one key; what a header takes is the same for all.
pub(crate) fn sealed_size(plain: u64) -> u64 {
    let pieces = plain.div_ceil(stream::PIECE as u64).max(1);
    HEADER + plain + pieces * 16
}

#[cfg(test)]
mod tests;
