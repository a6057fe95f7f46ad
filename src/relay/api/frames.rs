//! The frames of a WebSocket ([RFC 6455]) over which one side only reads: what is said goes out as whole texts, and what
//! comes in are answers to pings and the end. Anything else has no place here, so nothing of it is kept. Pure.
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455

use data_encoding::BASE64;
use sha1::{Digest as _, Sha1};

/// The largest frame that is no message: a head of 2, a mask of 4, and what such a frame may hold.
const LARGEST: usize = 2 + 4 + 125;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Ping(Vec<u8>),
    Pong,
    /// With the code that was said.
    Close(Option<u16>),
    /// The beginning of a message.
    Message,
    Broken,
}

/// The answer to the key of a handshake; none where that is no key.
pub(super) fn accepted(key: &str) -> Option<String> {
    BASE64.decode(key.as_bytes()).ok().filter(|key| key.len() == 16)?;
    let hash = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    Some(BASE64.encode(&hash))
}

fn put(out: &mut Vec<u8>, kind: u8, said: &[u8]) {
    out.reserve(said.len() + 10);
    out.push(0x80 | kind);
    match (u8::try_from(said.len()), u16::try_from(said.len())) {
        (Ok(length @ ..=125), _) => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend((said.len() as u64).to_be_bytes());
        }
    }
    out.extend(said);
}

pub(super) fn text(out: &mut Vec<u8>, said: &str) {
    put(out, TEXT, said.as_bytes());
}

pub(super) fn ping(out: &mut Vec<u8>) {
    put(out, PING, &[]);
}

pub(super) fn pong(out: &mut Vec<u8>, said: &[u8]) {
    put(out, PONG, said);
}

/// The reason has at most 123 bytes.
pub(super) fn close(out: &mut Vec<u8>, code: u16, reason: &str) {
    put(out, CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat());
}

/// What has come in and is not understood yet.
#[derive(Debug)]
pub(super) struct Incoming {
    bytes: [u8; LARGEST],
    length: usize,
}

impl Incoming {
    /// Where more of it goes; never empty after [`Self::next`] has said that there is nothing.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.length..]
    }

    pub(super) fn came(&mut self, more: usize) {
        self.length = (self.length + more).min(LARGEST);
    }

    /// The next frame, once it is here as a whole.
    pub(super) fn next(&mut self) -> Option<Heard> {
        let here = &self.bytes[..self.length];
        let [first, second, rest @ ..] = here else { return None };
        let (kind, length) = (first & 0x0F, usize::from(second & 0x7F));
        // Each is masked, and no extension was agreed on.
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Some(Heard::Broken);
        }
        if kind <= 2 {
            return Some(Heard::Message);
        }
        if first & 0x80 == 0 || length > 125 || !(CLOSE..=PONG).contains(&kind) {
            return Some(Heard::Broken);
        }
        let (mask, rest) = rest.split_first_chunk::<4>()?;
        let masked = rest.get(..length)?;
        let said: Vec<u8> = masked.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
        let all = 2 + 4 + length;
        self.bytes.copy_within(all..self.length, 0);
        self.length -= all;
        Some(match (kind, &said[..]) {
            (PING, _) => Heard::Ping(said),
            (PONG, _) => Heard::Pong,
            (_, []) => Heard::Close(None),
            (_, [a, b, ..]) => Heard::Close(Some(u16::from_be_bytes([*a, *b]))),
            (_, [_]) => Heard::Broken,
        })
    }
}

impl Default for Incoming {
    fn default() -> Self {
        Self { bytes: [0; LARGEST], length: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, said: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut all = vec![first, 0x80 | u8::try_from(said.len()).unwrap()];
        all.extend(mask);
        all.extend(said.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        all
    }

    /// What is understood where the bytes come so many at once.
    fn heard(bytes: &[u8], at_once: usize) -> Vec<Heard> {
        let (mut incoming, mut all) = (Incoming::default(), Vec::new());
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = incoming.space();
            let (some, others) = rest.split_at(at_once.min(space.len()).min(rest.len()));
            space[..some.len()].copy_from_slice(some);
            incoming.came(some.len());
            rest = others;
            while let Some(next) = incoming.next() {
                let is_end = matches!(next, Heard::Message | Heard::Broken);
                all.push(next);
                if is_end {
                    return all;
                }
            }
        }
        all
    }

    #[test]
    fn a_key_is_accepted_as_in_the_specification() {
        let accepted = accepted("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accepted.unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(super::accepted("c2hvcnQ="), None);
        assert_eq!(super::accepted("?"), None);
    }

    #[test]
    fn what_is_said_has_a_head_of_its_length() {
        for (length, head) in [
            (5_usize, vec![0x81, 5]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 255, 255]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            text(&mut out, &"x".repeat(length));
            assert_eq!(out[..head.len()], head);
            assert_eq!(out.len(), head.len() + length);
        }
        let mut out = Vec::new();
        ping(&mut out);
        close(&mut out, 1013, "later");
        assert_eq!(out, b"\x89\x00\x88\x07\x03\xf5later");
    }

    #[test]
    fn what_comes_is_understood_in_whatever_pieces() {
        let longest = [7; 125];
        let all = [
            masked(0x8A, b""),
            masked(0x89, b"you?"),
            masked(0x89, &longest),
            masked(0x88, &[3, 232, b'x']),
            masked(0x88, &[]),
        ]
        .concat();
        let wanted = [
            Heard::Pong,
            Heard::Ping(b"you?".to_vec()),
            Heard::Ping(longest.to_vec()),
            Heard::Close(Some(1000)),
            Heard::Close(None),
        ];
        for at_once in [1, 2, 3, 7, 100] {
            assert_eq!(heard(&all, at_once)[..], wanted, "{at_once}");
        }
    }

    #[test]
    fn a_message_is_seen_by_its_beginning_and_what_is_none_of_these_is_broken() {
        assert_eq!(heard(&masked(0x81, b"hello"), 2), [Heard::Message]);
        assert_eq!(heard(&[0x02, 0xFF], 2), [Heard::Message]);
        for broken in [
            vec![0x8A, 0x00],
            vec![0x0A, 0x80],
            vec![0xCA, 0x80],
            vec![0x83, 0x80],
            vec![0x8B, 0x80],
            vec![0x89, 0xFE],
            masked(0x88, &[3]),
        ] {
            assert_eq!(heard(&broken, 100), [Heard::Broken], "{broken:?}");
        }
    }
}
