//! Backups: where they go, and for whom they are encrypted.

use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{database::Password, media::Bucket};
use crate::config::values::{
    setting::section,
    shape::{HttpUrl, Shape},
};

/// Where backups go: a folder, or a place in a bucket, `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Folder(PathBuf),
    Bucket {
        bucket: String,
        /// Without slashes at its ends; empty where there is none.
        prefix: String,
    },
}

/// What the address of a bucket begins with.
const SCHEME: &str = "s3://";

impl Place {
    /// What a person typed; the error completes "it …".
    pub(crate) fn typed(text: &str) -> Result<Self, String> {
        let Some(address) = text.strip_prefix(SCHEME) else {
            return Ok(Self::Folder(text.into()));
        };
        let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
        Bucket::read(&bucket.into())
            .map_err(|_| "must name a bucket: s3://bucket/prefix".to_owned())?;
        let prefix = prefix.trim_matches('/');
        // Whoever reads the address as a path would go elsewhere.
        let is_plain = |part: &str| !["", ".", ".."].contains(&part);
        if !prefix.is_empty() && !prefix.split('/').all(is_plain) {
            return Err(
                "must have a prefix without empty parts and dots: s3://bucket/prefix".into()
            );
        }
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "{SCHEME}{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "{SCHEME}{bucket}/{prefix}"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Place {
    fn read(value: &Value) -> Result<Self, String> {
        match Self::typed(&String::read(value)?)? {
            Self::Folder(path) if !path.is_absolute() => {
                Err("must be an absolute path, or s3://bucket/prefix".into())
            }
            place => Ok(place),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(/|s3://[A-Za-z0-9._-]{3,63}(/|$))" })
    }
}

/// Whom a backup is encrypted for: the public key of [age].
///
/// [age]: https://age-encryption.org
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Recipient(pub(crate) String);

impl Shape for Recipient {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        if text.starts_with("AGE-SECRET-KEY-") {
            return Err(
                "must be the public key, which begins with `age1`, not the secret one".into()
            );
        }
        let is_word = text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !text.starts_with("age1") || !is_word {
            return Err("must be a public key of age, as `age-keygen` prints it: age1…".into());
        }
        Ok(Self(text))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^age1[a-z0-9]+$" })
    }
}

section! {
    /// Backups: where they go, and for whom they are encrypted.
    Backup "backup" {
        /// Where backups go: a folder, or a place in a bucket such as `s3://backups/chat`. Default: `backups` in the data folder.
        to: Option<Place> = "" ["MATRIX_SYNAPSE_BACKUP_TO"];
        /// Store each media file once in that place, so that a backup costs what is new.
        incremental: bool = "false" ["MATRIX_SYNAPSE_BACKUP_INCREMENTAL"];
        /// Public keys of [age](https://age-encryption.org) that backups are encrypted for; who has the secret key of one of them can restore.
        recipients: Vec<Recipient> = "" ["MATRIX_SYNAPSE_BACKUP_RECIPIENTS"];
        /// File with the passphrase that backups are encrypted with, instead of keys.
        passphrase_file: Option<PathBuf> = "" ["MATRIX_SYNAPSE_BACKUP_PASSPHRASE_FILE"];
        /// File with the secret keys that encrypted backups are opened with where none is named. A machine that only makes backups does better without.
        identity_file: Option<PathBuf> = "" ["MATRIX_SYNAPSE_BACKUP_IDENTITY_FILE"];
        /// URL of the object store for backups; default: that of the media.
        s3_endpoint: Option<HttpUrl> = "" ["MATRIX_SYNAPSE_BACKUP_S3_ENDPOINT"];
        /// Region of the bucket for backups; default: that of the media.
        s3_region: Option<String> = "" ["MATRIX_SYNAPSE_BACKUP_S3_REGION"];
        /// Access key id of a key that may list, read, write and delete in that bucket; default: the one for the media.
        s3_access_key: Option<String> = "" ["MATRIX_SYNAPSE_BACKUP_S3_ACCESS_KEY"];
        /// Secret access key; default: the one for the media.
        #[secret] s3_secret_key: Option<Password> = "" ["MATRIX_SYNAPSE_BACKUP_S3_SECRET_KEY"];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_in_a_bucket() {
        let place = |text: &str| Place::read(&text.into()).map(|it| it.to_string());
        for (typed, meant) in [
            ("/mnt/backups", "/mnt/backups"),
            ("s3://backups", "s3://backups"),
            ("s3://backups/", "s3://backups"),
            ("s3://backups/chat/old/", "s3://backups/chat/old"),
        ] {
            assert_eq!(place(typed).unwrap(), meant);
        }
        for wrong in [
            "backups",
            "s3://",
            "s3://a",
            "s3://back ups/x",
            "s3://backups/a/../b",
            "s3://backups/a//b",
        ] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_key_is_no_recipient() {
        let read = |text: &str| Recipient::read(&text.into());
        assert!(read("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p").is_ok());
        assert!(read("AGE-SECRET-KEY-1QQQ").unwrap_err().contains("not the secret one"));
        assert!(read("ssh-ed25519 AAAA").is_err());
    }
}
