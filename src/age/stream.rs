//! What comes behind the header: pieces that are sealed one by one.

use std::io::{self, Read, Write};

use ring::aead::{Aad, LessSafeKey, Nonce};

use super::{
    Error, FileKey, Keys, To,
    derive::{cipher, derived},
    header,
};

/// How much is sealed at once, in bytes.
pub(super) const PIECE: usize = 64 << 10;
const TAG: usize = 16;
const NONCE: usize = 16;

/// What seals or opens the pieces of one file in their order.
struct Pieces {
    key: LessSafeKey,
    number: u64,
}

impl Pieces {
    fn of(file_key: FileKey, nonce: [u8; NONCE]) -> Result<Self, Error> {
        let key = derived(&file_key, &nonce, "payload")?;
        Ok(Self { key: cipher(&key)?, number: 0 })
    }

    fn nonce(&mut self, is_last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.number.to_be_bytes());
        nonce[11] = u8::from(is_last);
        self.number += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&mut self, piece: &mut Vec<u8>, is_last: bool) -> io::Result<()> {
        let nonce = self.nonce(is_last);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::empty(), piece);
        sealed.map_err(|_| io::Error::other("a piece cannot be sealed"))
    }

    fn open<'a>(&mut self, piece: &'a mut [u8], is_last: bool) -> Option<&'a mut [u8]> {
        let nonce = self.nonce(is_last);
        self.key.open_in_place(nonce, Aad::empty(), piece).ok()
    }
}

/// Seals what is written into it, and writes that on.
pub(crate) struct Sealer<W: Write> {
    to: W,
    pieces: Pieces,
    piece: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    /// Writes the header.
    pub(crate) fn new(mut to: W, who: &To) -> io::Result<Self> {
        let file_key: FileKey = rand::random();
        let nonce: [u8; NONCE] = rand::random();
        to.write_all(&header::written(file_key, who).map_err(io::Error::other)?)?;
        to.write_all(&nonce)?;
        let pieces = Pieces::of(file_key, nonce).map_err(io::Error::other)?;
        Ok(Self { to, pieces, piece: Vec::with_capacity(PIECE + TAG) })
    }

    /// Seals the last piece; what is not finished can not be opened.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        Ok(self.to)
    }

    fn put(&mut self, is_last: bool) -> io::Result<()> {
        self.pieces.seal(&mut self.piece, is_last)?;
        self.to.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        // Only when more comes is it known that it is not the last.
        if self.piece.len() == PIECE {
            self.put(false)?;
        }
        let taken = content.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&content[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Opens what is read through it.
pub(crate) struct Opener<R: Read> {
    from: R,
    pieces: Pieces,
    /// A piece, and the first byte of the next.
    sealed: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
    is_done: bool,
}

impl<R: Read> Opener<R> {
    /// Reads the header and opens it; what keeps it from being opened is `Ok(Err(…))`.
    pub(crate) fn new(mut from: R, keys: &Keys) -> io::Result<Result<Self, Error>> {
        let file_key = match header::opened(&mut from, keys)? {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let mut nonce = [0; NONCE];
        if let Err(error) = from.read_exact(&mut nonce) {
            let is_short = error.kind() == io::ErrorKind::UnexpectedEof;
            return if is_short { Ok(Err(Error::CutOff)) } else { Err(error) };
        }
        Ok(Pieces::of(file_key, nonce).map(|pieces| Self {
            from,
            pieces,
            sealed: Vec::with_capacity(PIECE + TAG + 1),
            plain: Vec::with_capacity(PIECE + TAG),
            at: 0,
            is_done: false,
        }))
    }

    fn more(&mut self) -> io::Result<()> {
        let wanted = (PIECE + TAG + 1 - self.sealed.len()) as u64;
        (&mut self.from).take(wanted).read_to_end(&mut self.sealed)?;
        // Whatever follows it, the last piece has no more than its length.
        let is_last = self.sealed.len() <= PIECE + TAG;
        let next = if is_last { None } else { self.sealed.pop() };
        std::mem::swap(&mut self.sealed, &mut self.plain);
        self.sealed.clear();
        self.sealed.extend(next);
        let is_first = self.pieces.number == 0;
        if self.plain.len() < TAG {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, Error::CutOff));
        }
        let Some(opened) = self.pieces.open(&mut self.plain, is_last) else {
            // The last piece of what was cut off is not marked as such.
            let error = if is_last { Error::CutOff } else { Error::Altered };
            let kind = io::ErrorKind::InvalidData;
            return Err(io::Error::new(kind, error));
        };
        let length = opened.len();
        // Nothing may be appended unseen: only what is empty altogether has an empty piece.
        if length == 0 && !is_first {
            return Err(io::Error::new(io::ErrorKind::InvalidData, Error::Altered));
        }
        self.plain.truncate(length);
        self.at = 0;
        self.is_done = is_last;
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            if self.is_done {
                return Ok(0);
            }
            self.more()?;
        }
        let read = into.len().min(self.plain.len() - self.at);
        into[..read].copy_from_slice(&self.plain[self.at..self.at + read]);
        self.at += read;
        Ok(read)
    }
}
