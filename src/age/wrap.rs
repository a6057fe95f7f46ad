//! How the key of a file is wrapped for a key or for a passphrase.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use ring::aead::{Aad, Nonce};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{
    Error, FileKey, Identity, Keys, Recipient, To,
    derive::{cipher, derived},
    passphrase::{Passphrase, Stretched},
};

/// One who may read, by the kind of key, and the wrapped key of the file.
pub(super) struct Stanza {
    pub(super) arguments: Vec<String>,
    pub(super) body: Vec<u8>,
}

const X25519: &str = "X25519";
const SCRYPT: &str = "scrypt";
const X25519_INFO: &str = "age-encryption.org/v1/X25519";
/// More than a gigabyte is asked by nobody but who wants to do harm.
const MOST_WORK: u8 = 20;

fn wrapped(key: &[u8; 32], file_key: FileKey) -> Result<Vec<u8>, Error> {
    let mut body = file_key.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    cipher(key)?
        .seal_in_place_append_tag(nonce, Aad::empty(), &mut body)
        .map_err(|_| Error::Cipher)?;
    Ok(body)
}

fn unwrapped(key: &[u8; 32], body: &[u8]) -> Option<FileKey> {
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let key = cipher(key).ok()?.open_in_place(nonce, Aad::empty(), &mut body).ok()?;
    FileKey::try_from(&*key).ok()
}

/// The stanzas of a header.
pub(super) fn wrap(file_key: FileKey, to: &To) -> Result<Vec<Stanza>, Error> {
    match to {
        To::Recipients(recipients) => {
            recipients.iter().map(|it| for_recipient(file_key, it)).collect()
        }
        To::Passphrase(passphrase) => {
            let Stretched { salt, work, key } = passphrase.fresh()?;
            let arguments = vec![SCRYPT.to_owned(), BASE64.encode(salt), work.to_string()];
            Ok(vec![Stanza { arguments, body: wrapped(&key, file_key)? }])
        }
    }
}

fn for_recipient(file_key: FileKey, to: &Recipient) -> Result<Stanza, Error> {
    let once = StaticSecret::from(rand::random::<[u8; 32]>());
    let share = PublicKey::from(&once).to_bytes();
    let shared = once.diffie_hellman(&PublicKey::from(to.0));
    if !shared.was_contributory() {
        return Err(Error::NoRecipient(to.to_string()));
    }
    let key = derived(shared.as_bytes(), &[share, to.0].concat(), X25519_INFO)?;
    let arguments = vec![X25519.to_owned(), BASE64.encode(share)];
    Ok(Stanza { arguments, body: wrapped(&key, file_key)? })
}

/// The key of the file, if one of these keys opens one of the stanzas.
pub(super) fn unwrap(stanzas: &[Stanza], keys: &Keys) -> Result<FileKey, Error> {
    let is = |stanza: &Stanza, kind: &str| stanza.arguments.first().is_some_and(|it| it == kind);
    if let Some(stanza) = stanzas.iter().find(|it| is(it, SCRYPT)) {
        // A passphrase is the only one: whoever knows it must be sure who wrote the file.
        if stanzas.len() > 1 {
            return Err(Error::Header);
        }
        let passphrase = keys.passphrase.as_ref().ok_or(Error::NeedsPassphrase)?;
        return by_passphrase(stanza, passphrase);
    }
    if keys.identities.is_empty() {
        return Err(Error::NeedsIdentity);
    }
    for stanza in stanzas.iter().filter(|it| is(it, X25519)) {
        for identity in &keys.identities {
            if let Some(key) = by_identity(stanza, identity)? {
                return Ok(key);
            }
        }
    }
    Err(Error::OtherKeys)
}

fn by_identity(stanza: &Stanza, identity: &Identity) -> Result<Option<FileKey>, Error> {
    let [_, share] = &stanza.arguments[..] else { return Err(Error::Header) };
    let share = BASE64.decode(share).ok().and_then(|it| <[u8; 32]>::try_from(it).ok());
    let share = share.filter(|_| stanza.body.len() == 32).ok_or(Error::Header)?;
    let shared = identity.0.diffie_hellman(&PublicKey::from(share));
    if !shared.was_contributory() {
        return Err(Error::Header);
    }
    let salt = [share, identity.recipient().0].concat();
    Ok(unwrapped(&derived(shared.as_bytes(), &salt, X25519_INFO)?, &stanza.body))
}

fn by_passphrase(stanza: &Stanza, passphrase: &Passphrase) -> Result<FileKey, Error> {
    let [_, salt, work] = &stanza.arguments[..] else { return Err(Error::Header) };
    let salt = BASE64.decode(salt).ok().and_then(|it| it.try_into().ok()).ok_or(Error::Header)?;
    let is_number = work.bytes().all(|c| c.is_ascii_digit()) && !work.starts_with('0');
    let work: u8 = work.parse().ok().filter(|_| is_number).ok_or(Error::Header)?;
    if work > MOST_WORK {
        return Err(Error::TooMuchWork(work));
    }
    if stanza.body.len() != 32 {
        return Err(Error::Header);
    }
    unwrapped(&passphrase.of(salt, work)?, &stanza.body).ok_or(Error::WrongPassphrase)
}
