//! What Synapse keeps secret: secrets that have nothing to do with each other, and the key it
//! signs with. None is ever overwritten.

use std::path::PathBuf;

use data_encoding::BASE64_NOPAD;
use rand::{Rng, RngExt as _, distr::Alphabetic};

use super::Error;
use crate::{config::Config, data_dir::DataDir, files as disk, secret::Secret};

pub(crate) fn macaroon(data: &DataDir) -> PathBuf {
    data.secret("macaroon_secret_key")
}

pub(crate) fn form(data: &DataDir) -> PathBuf {
    data.secret("form_secret")
}

/// The file of the setting `synapse.registration_secret`.
pub(crate) fn registration(data: &DataDir) -> PathBuf {
    data.secret("synapse_registration_secret")
}

/// What Synapse's processes know each other by.
pub(crate) fn replication(data: &DataDir) -> PathBuf {
    data.secret("worker_replication_secret")
}

/// Makes the secrets that are missing; a registration secret that is given is kept.
pub(crate) fn secrets(config: &Config, rng: &mut impl Rng) -> Result<(), Error> {
    let data = &config.data;
    if let Some(given) = &config.synapse.registration_secret {
        disk::write_if_changed(&registration(data), given.expose().as_bytes(), disk::PRIVATE)?;
    }
    for file in [macaroon(data), form(data), registration(data)] {
        if Secret::read_or_generate(&file, rng)?.expose().trim().is_empty() {
            return Err(Error::BadKey(file));
        }
    }
    Ok(())
}

/// Makes the secret of the processes among themselves where it is missing; nothing but them knows it.
pub(crate) fn replication_secret(data: &DataDir, rng: &mut impl Rng) -> Result<(), Error> {
    Secret::read_or_generate(&replication(data), rng)?;
    Ok(())
}

/// Makes the signing key, if there is none; true if it did. A line as Synapse reads it: kind, id and seed
/// ([signedjson], `encode_signing_key_base64`).
///
/// [signedjson]: https://github.com/matrix-org/python-signedjson
pub(crate) fn signing(data: &DataDir, rng: &mut impl Rng) -> Result<bool, Error> {
    let file = data.signing_key();
    if let Some(text) = disk::read_if_exists(&file)? {
        return if is_key(&text) { Ok(false) } else { Err(Error::BadKey(file)) };
    }
    let id: String = (0..4).map(|_| char::from(rng.sample(Alphabetic))).collect();
    let seed = BASE64_NOPAD.encode(&rng.random::<[u8; 32]>());
    disk::write_atomically(&file, format!("ed25519 a_{id} {seed}\n").as_bytes(), disk::PRIVATE)?;
    Ok(true)
}

/// The id of the key in such a line, `ed25519:a_AbCd`; none where it is no key.
pub(crate) fn id(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().take(2).collect();
    let [kind, id] = words[..] else { return None };
    Some(format!("{kind}:{id}"))
}

/// A line `ed25519 <id> <32 bytes in base64>`.
fn is_key(text: &str) -> bool {
    text.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words[..], ["ed25519", _, seed] if seed.len() >= 43)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signing_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        assert!(signing(&data, &mut rand::rng()).unwrap());
        let line = disk::read(&data.signing_key()).unwrap();
        assert!(is_key(&line) && id(&line).unwrap().starts_with("ed25519:a_"), "{line}");
        assert!(!signing(&data, &mut rand::rng()).unwrap());
        assert_eq!(disk::read(&data.signing_key()).unwrap(), line);
    }

    #[test]
    fn a_signing_key_is_told_from_rubbish() {
        assert!(is_key("ed25519 a_Xy12 c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI\n"));
        assert!(!is_key(""));
        assert!(!is_key("ed25519 a_Xy12 short"));
    }
}
