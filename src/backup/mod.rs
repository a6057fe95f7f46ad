//! Backups: one archive that holds all a homeserver needs to be the same again, its database, media, keys,
//! secrets and settings. It is a plain tar, compressed with zstd and perhaps encrypted with age, so that what is in it can be
//! taken out without this program:
//!
//! - `manifest.json` comes first: what it is a backup of, and how much is in it.
//! - `files/…` is what lies in the data folder, `media/…` what was sent, `database/NAME/000001` and on are
//!   the pieces of what `pg_dump -Fc` wrote.
//! - `blobs/000001` and on come in the place of `media/…` where the media lie beside the archive: lists of them.
//! - `sums/000001` and on come after some hundred others each and hold their SHA-256, as `sha256sum` writes it.
//! - `end.json` is the last: an archive without it is cut off.

pub(crate) mod blobs;
mod contents;
pub(crate) mod depot;
pub(crate) mod due;
mod error;
pub(crate) mod keep;
pub(crate) mod manifest;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod sums;
pub(crate) mod sweep;
pub(crate) mod write;

pub(crate) use contents::{Found, files_of, held, hold, media_of};
pub(crate) use depot::{Depot, Source};
pub(crate) use error::Error;
pub(crate) use manifest::Manifest;

/// The end of an archive's name.
pub(crate) const SUFFIX: &str = ".tar.zst";
/// Their folders in the archive.
pub(crate) const FILES: &str = "files";
pub(crate) const MEDIA: &str = "media";
pub(crate) const DATABASE: &str = "database";
/// What was sent here, and not made of it.
const MEDIA_SENT: &str = "media/local_content";
/// The list of its sums, beside what was unpacked.
pub(crate) const MEDIA_SUMS: &str = "media.sums";
const BLOBS: &str = "blobs";
const SUMS: &str = "sums";
const MANIFEST: &str = "manifest.json";
const END: &str = "end.json";

/// What the name of a backup is without its end.
pub(crate) fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(crate::age::SUFFIX).unwrap_or(name).strip_suffix(SUFFIX)
}
