//! The header: a line of its version, a stanza for each who may read, and a sum over all of it.

use std::io::{self, Read};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use ring::hmac;

use super::{
    Error, FileKey, Keys, MAGIC, To,
    derive::derived,
    wrap::{self, Stanza},
};

/// A header that is longer has been made by nobody who wants it read.
const LONGEST: usize = 1 << 18;
/// The letters of a whole line of a stanza's body.
const LINE: usize = 64;

fn sum_key(file_key: FileKey) -> Result<hmac::Key, Error> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &derived(&file_key, &[], "header")?))
}

/// A whole header.
pub(super) fn written(file_key: FileKey, to: &To) -> Result<Vec<u8>, Error> {
    let mut text = MAGIC.to_vec();
    for Stanza { arguments, body } in wrap::wrap(file_key, to)? {
        text.extend_from_slice(format!("-> {}\n", arguments.join(" ")).as_bytes());
        let body = BASE64.encode(body);
        let mut rest = body.as_bytes();
        // The last line is shorter than a whole one, and be it empty.
        loop {
            let (line, more) = rest.split_at(rest.len().min(LINE));
            text.extend_from_slice(line);
            text.push(b'\n');
            rest = more;
            if line.len() < LINE {
                break;
            }
        }
    }
    text.extend_from_slice(b"---");
    let sum = hmac::sign(&sum_key(file_key)?, &text);
    text.extend_from_slice(format!(" {}\n", BASE64.encode(sum)).as_bytes());
    Ok(text)
}

/// Reads a header and nothing behind it, and opens it; what cannot be read is `Ok(Err(…))`.
pub(super) fn opened(from: &mut impl Read, keys: &Keys) -> io::Result<Result<FileKey, Error>> {
    let mut lines = Lines { from, text: Vec::new() };
    let parsed = match lines.header()? {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(error)),
    };
    let (stanzas, signed, sum) = parsed;
    Ok(wrap::unwrap(&stanzas, keys).and_then(|key| {
        hmac::verify(&sum_key(key)?, &lines.text[..signed], &sum).map_err(|_| Error::Altered)?;
        Ok(key)
    }))
}

/// The lines of a header, read byte by byte: what comes behind it is not ours.
struct Lines<'a, R> {
    from: &'a mut R,
    text: Vec<u8>,
}

/// The stanzas, how much of the text the sum is over, and the sum.
type Parsed = (Vec<Stanza>, usize, Vec<u8>);

impl<R: Read> Lines<'_, R> {
    /// Where the next line begins, without its end; none where the text ends before.
    fn next(&mut self) -> io::Result<Result<String, Error>> {
        let start = self.text.len();
        let mut byte = [0];
        loop {
            if let Err(error) = self.from.read_exact(&mut byte) {
                return if error.kind() == io::ErrorKind::UnexpectedEof {
                    Ok(Err(Error::CutOff))
                } else {
                    Err(error)
                };
            }
            self.text.push(byte[0]);
            if byte == *b"\n" {
                break;
            }
            if self.text.len() > LONGEST {
                return Ok(Err(Error::Header));
            }
        }
        let line = self.text[start..self.text.len() - 1].to_vec();
        Ok(String::from_utf8(line).map_err(|_| Error::Header))
    }

    fn header(&mut self) -> io::Result<Result<Parsed, Error>> {
        // `?` is for what the system says; what the text says is handed on.
        macro_rules! line {
            () => {
                match self.next()? {
                    Ok(line) => line,
                    Err(error) => return Ok(Err(error)),
                }
            };
        }
        let version = line!();
        if version.as_bytes() != &MAGIC[..MAGIC.len() - 1] {
            return Ok(Err(Error::Header));
        }
        let mut stanzas = Vec::new();
        loop {
            let before = self.text.len();
            let line = line!();
            if let Some(sum) = line.strip_prefix("--- ") {
                let sum = BASE64.decode(sum).ok().filter(|it| it.len() == 32);
                return Ok(sum.map(|sum| (stanzas, before + 3, sum)).ok_or(Error::Header));
            }
            let Some(arguments) = line.strip_prefix("-> ") else { return Ok(Err(Error::Header)) };
            let arguments: Vec<String> = arguments.split(' ').map(ToOwned::to_owned).collect();
            if arguments.iter().any(String::is_empty) {
                return Ok(Err(Error::Header));
            }
            let mut body = String::new();
            loop {
                let line = line!();
                if line.len() > LINE {
                    return Ok(Err(Error::Header));
                }
                body += &line;
                if line.len() < LINE {
                    break;
                }
            }
            let Ok(body) = BASE64.decode(body) else { return Ok(Err(Error::Header)) };
            stanzas.push(Stanza { arguments, body });
        }
    }
}
