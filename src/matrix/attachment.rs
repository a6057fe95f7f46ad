//! The files of encrypted rooms ([spec]): sealed before the server has them, and opened as they come.
//!
//! [spec]: https://spec.matrix.org/latest/client-server-api/#sending-encrypted-attachments

use std::fmt;

use aes::Aes256;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding};
use ring::digest::{Context as Sum, SHA256, digest};
use serde_json::{Value, json};

use crate::secret::MASK;

/// Of the form of a file's keys: the only one there is.
const VERSION: &str = "v2";
const ALGORITHM: &str = "A256CTR";

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{0}` of the `file` in its message is missing or of no form that is known")]
    Unfit(&'static str),
    #[error("what the server has is not what was sent: its SHA-256 is another")]
    Altered,
}

/// What opens a sealed file: whoever has it can read it.
#[derive(Clone, PartialEq)]
pub(crate) struct Key {
    key: [u8; 32],
    start: [u8; 16],
    /// The SHA-256 of the sealed bytes.
    sum: [u8; 32],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Seals bytes where they are, with a key that nothing else is sealed with.
pub(crate) fn seal(bytes: &mut [u8]) -> Key {
    // The other half counts the blocks, and others count no further than that.
    let nonce: [u8; 8] = rand::random();
    let mut start = [0; 16];
    start[..8].copy_from_slice(&nonce);
    sealed(bytes, rand::random(), start)
}

fn sealed(bytes: &mut [u8], key: [u8; 32], start: [u8; 16]) -> Key {
    cipher(&key, &start).apply_keystream(bytes);
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Key { key, start, sum }
}

fn cipher(key: &[u8; 32], start: &[u8; 16]) -> Ctr128BE<Aes256> {
    Ctr128BE::new(key.into(), start.into())
}

impl Key {
    /// The `file` of a message.
    pub(crate) fn file(&self, url: &str) -> Value {
        json!({
            "url": url,
            "key": {
                "alg": ALGORITHM, "ext": true, "k": BASE64URL_NOPAD.encode(&self.key),
                "key_ops": ["encrypt", "decrypt"], "kty": "oct",
            },
            "iv": BASE64_NOPAD.encode(&self.start),
            "hashes": { "sha256": BASE64_NOPAD.encode(&self.sum) },
            "v": VERSION,
        })
    }

    /// What is in the `file` of a message, which anybody may have written.
    pub(crate) fn of(file: &Value) -> Result<Self, Error> {
        let require = |is: bool, what| if is { Ok(()) } else { Err(Error::Unfit(what)) };
        require(file["v"] == VERSION, "v")?;
        require(file["key"]["alg"] == ALGORITHM, "key.alg")?;
        Ok(Self {
            key: bytes(&BASE64URL_NOPAD, &file["key"]["k"]).ok_or(Error::Unfit("key.k"))?,
            start: bytes(&BASE64_NOPAD, &file["iv"]).ok_or(Error::Unfit("iv"))?,
            sum: bytes(&BASE64_NOPAD, &file["hashes"]["sha256"])
                .ok_or(Error::Unfit("hashes.sha256"))?,
        })
    }
}

/// So many bytes and no others; some write the `=` at the end, which does not belong there.
fn bytes<const LENGTH: usize>(encoding: &Encoding, text: &Value) -> Option<[u8; LENGTH]> {
    let text = text.as_str()?.trim_end_matches('=');
    encoding.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// A file that is opened piece by piece. Before [`Opening::finish`] has said that it is what was sent, nobody may see
/// what came of it.
pub(crate) struct Opening {
    cipher: Ctr128BE<Aes256>,
    came: Sum,
    sum: [u8; 32],
}

impl Opening {
    pub(crate) fn new(key: &Key) -> Self {
        Self { cipher: cipher(&key.key, &key.start), came: Sum::new(&SHA256), sum: key.sum }
    }

    /// Opens the next piece where it is.
    pub(crate) fn next(&mut self, piece: &mut [u8]) {
        self.came.update(piece);
        self.cipher.apply_keystream(piece);
    }

    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.came.finish().as_ref() == self.sum { Ok(()) } else { Err(Error::Altered) }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn opened(key: &Key, sealed: &[u8], length: usize) -> Result<Vec<u8>, Error> {
        let (mut opening, mut all) = (Opening::new(key), sealed.to_vec());
        all.chunks_mut(length).for_each(|piece| opening.next(piece));
        opening.finish().map(|()| all)
    }

    #[test]
    fn it_is_what_others_compute() {
        // NIST SP 800-38A, F.5.5.
        let bytes = |digits: &str| HEXLOWER.decode(digits.as_bytes()).unwrap();
        let key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
        let mut text = bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let start = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().unwrap();
        sealed(&mut text, bytes(key).try_into().unwrap(), start);
        let wanted = "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5";
        assert_eq!(HEXLOWER.encode(&text), wanted);

        // openssl enc -aes-256-ctr -K 0b0b… -iv 0c0c0c0c0c0c0c0c0000000000000000
        let mut text = b"attack at dawn, and bring a friend along".to_vec();
        let mut start = [0; 16];
        start[..8].fill(12);
        let key = sealed(&mut text, [11; 32], start);
        let wanted =
            "1e4b0224674d6bbe87f67b376cf5e9be8a72963a2db410f2f7adc77020fb4156fd9fdb47f09369d6";
        assert_eq!(HEXLOWER.encode(&text), wanted);
        let file = json!({
            "url": "mxc://x/1", "iv": "DAwMDAwMDAwAAAAAAAAAAA", "v": "v2",
            "key": {
                "alg": "A256CTR", "ext": true, "k": "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws",
                "key_ops": ["encrypt", "decrypt"], "kty": "oct",
            },
            "hashes": { "sha256": "EmtvhbR/9TWn05dT2oGyR+O/fz8kyLzvfzPgK7WTabs" },
        });
        assert_eq!(key.file("mxc://x/1"), file);
        assert!(Key::of(&file).unwrap() == key);
    }

    #[test]
    fn what_was_sealed_opens_in_pieces_of_any_length() {
        let clear: Vec<u8> = (0..1000_u32).map(|n| (n % 251) as u8).collect();
        for length in [0, 1, 15, 16, 17, 1000] {
            let mut text = clear[..length].to_vec();
            let key = seal(&mut text);
            assert!(length < 8 || text != clear[..length]);
            let key = Key::of(&key.file("mxc://x/1")).unwrap();
            for piece in [1, 7, 16, 999, 1000] {
                assert_eq!(opened(&key, &text, piece).unwrap(), clear[..length]);
            }
        }
        let (mut one, mut other) = (clear.clone(), clear);
        let keys = (seal(&mut one), seal(&mut other));
        assert!(keys.0 != keys.1 && one != other && keys.0.start[8..] == [0; 8]);
        assert_eq!(format!("{:?}", keys.0), "*****");
    }

    #[test]
    fn what_was_altered_cut_off_or_sealed_with_something_else_is_refused() {
        let mut text = b"numbers".to_vec();
        let key = seal(&mut text);
        for at in 0..text.len() {
            let mut altered = text.clone();
            altered[at] ^= 1;
            assert_eq!(opened(&key, &altered, 3), Err(Error::Altered));
            assert_eq!(opened(&key, &text[..at], 3), Err(Error::Altered));
        }
        text.push(0);
        assert_eq!(opened(&key, &text, 3), Err(Error::Altered));
        assert_eq!(opened(&seal(&mut b"numbers".to_vec()), &text[..7], 3), Err(Error::Altered));
    }

    #[test]
    fn a_file_that_lacks_something_is_named_by_what_it_lacks() {
        let file = seal(&mut [1]).file("mxc://x/1");
        for (path, wrong, what) in [
            ("/v", json!("v3"), "v"),
            ("/key/alg", json!("A128CTR"), "key.alg"),
            ("/key/k", json!("AAAA"), "key.k"),
            ("/key", json!("AAAA"), "key.alg"),
            ("/iv", json!(7), "iv"),
            ("/iv", json!("ä"), "iv"),
            ("/hashes", json!({ "sha1": "AAAA" }), "hashes.sha256"),
        ] {
            let mut file = file.clone();
            *file.pointer_mut(path).unwrap() = wrong;
            assert_eq!(Key::of(&file), Err(Error::Unfit(what)));
        }
        for nothing in [Value::Null, json!("x"), json!([])] {
            assert_eq!(Key::of(&nothing), Err(Error::Unfit("v")));
        }
        let mut padded = file.clone();
        padded["iv"] = format!("{}==", file["iv"].as_str().unwrap()).into();
        assert_eq!(Key::of(&padded), Key::of(&file));
    }
}
