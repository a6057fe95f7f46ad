//! Writing an archive: in one go, in little memory, and under its name only when it is whole.

use std::{
    fs::File,
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use ring::digest::{Context as Sum, SHA256, digest};
use tar::{Builder, EntryType, Header};
use zstd::{Encoder, zstd_safe::CParameter};

use super::{
    BLOBS, END, Error, FILES, Found, MANIFEST, MEDIA, Manifest, SUMS,
    blobs::Blobs,
    depot::{Coat, Output},
    manifest::End,
    sums,
};
use crate::{age::To, files};

/// How good the compression is: most of a large backup is media, which cannot be compressed.
const LEVEL: i32 = 3;
/// How much is compressed at once, in bytes.
const JOB: u32 = 1 << 20;
/// How much of a file is read at once, in bytes.
const CHUNK: usize = 1 << 18;
/// What an entry's content is filled up to, in bytes.
const BLOCK: usize = 512;
/// After so many entries their sums follow: a list of all would grow with the backup.
const SUMMED: usize = 512;

pub(crate) struct Writer {
    tar: Builder<Encoder<'static, Coat>>,
    /// Lines of `sha256sum` that are not yet in the archive.
    sums: Vec<Vec<u8>>,
    /// Their bytes.
    summed: usize,
    lists: u64,
    end: End,
    /// Lines about media beside the archive that are not yet in it.
    list: String,
    pieces: u64,
    /// The bytes of those media.
    apart: u64,
    /// What is read of a file at once.
    chunk: Vec<u8>,
}

/// How long a list of media beside the archive is, in bytes; one of sums is no longer either.
const LISTED: usize = 1 << 20;

impl Writer {
    /// Begins an archive, readable to its owner alone: it holds secrets. Encrypted, only those can read it that it is
    /// for.
    pub(crate) fn create(
        output: Output,
        to: Option<&To>,
        manifest: &Manifest,
    ) -> Result<Self, Error> {
        let coat = Coat::new(output, to).map_err(Error::Write)?;
        let mut encoder = Encoder::new(coat, LEVEL).map_err(Error::Write)?;
        // Beside what reads and hashes.
        encoder.multithread(1).map_err(Error::Write)?;
        // What waits for that thread is in memory several times over.
        encoder.set_parameter(CParameter::JobSize(JOB)).map_err(Error::Write)?;
        encoder.include_checksum(true).map_err(Error::Write)?;
        let end = End { entries: 0, bytes: 0 };
        let mut writer = Self {
            tar: Builder::new(encoder),
            sums: Vec::new(),
            summed: 0,
            lists: 0,
            end,
            list: String::new(),
            pieces: 0,
            apart: 0,
            chunk: vec![0; CHUNK],
        };
        let text = serde_json::to_vec_pretty(manifest).unwrap_or_default();
        writer.whole(Path::new(MANIFEST), &text)?;
        Ok(writer)
    }

    /// The bytes that went in so far, before they are compressed.
    pub(crate) fn bytes(&self) -> u64 {
        self.end.bytes + self.apart
    }

    /// A file of the data folder, or of the media. One that is gone by now is left out: whoever removed it did not
    /// want it. False then.
    pub(crate) fn file(&mut self, found: &Found, is_medium: bool) -> Result<bool, Error> {
        let failed = |error| Error::File(files::Error::io("read", &found.path)(error));
        let mut file = match files::open(&found.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file.map_err(failed)?,
        };
        let size = file.metadata().map_err(failed)?.len();
        let name = Path::new(if is_medium { MEDIA } else { FILES }).join(&found.name);
        self.stream(&name, found, &mut file, size)?;
        Ok(true)
    }

    /// A file of the media that lies beside the archive: its line. False where it is gone by now.
    pub(crate) fn beside(&mut self, found: &Found, blobs: &mut Blobs) -> Result<bool, Error> {
        let Some(entry) = blobs.keep(found)? else { return Ok(false) };
        self.apart += entry.size;
        self.list += &serde_json::to_string(&entry).unwrap_or_default();
        self.list.push('\n');
        if self.list.len() >= LISTED {
            self.listed()?;
        }
        Ok(true)
    }

    /// Writes the lines that are not yet in it.
    fn listed(&mut self) -> Result<(), Error> {
        if self.list.is_empty() {
            return Ok(());
        }
        self.pieces += 1;
        let list = std::mem::take(&mut self.list);
        self.whole(Path::new(&format!("{BLOBS}/{:06}", self.pieces)), list.as_bytes())
    }

    /// What is in memory already.
    pub(crate) fn whole(&mut self, name: &Path, content: &[u8]) -> Result<(), Error> {
        let sum = HEXLOWER.encode(digest(&SHA256, content).as_ref());
        let header = header(files::PRIVATE, content.len() as u64);
        self.append(name, header, content)?;
        self.noted(name, &sum, content.len() as u64)
    }

    fn stream(
        &mut self,
        name: &Path,
        found: &Found,
        file: &mut File,
        size: u64,
    ) -> Result<(), Error> {
        // `tar` would copy in small pieces: what follows its header goes past it.
        self.append(name, header(found.mode, size), io::empty())?;
        let (mut sum, mut left) = (Sum::new(&SHA256), size);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.chunk.len());
            let read = match file.read(&mut self.chunk[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(files::Error::io("read", &found.path))?,
            };
            if read == 0 {
                return Err(Error::Changes(found.path.clone()));
            }
            sum.update(&self.chunk[..read]);
            self.tar.get_mut().write_all(&self.chunk[..read]).map_err(Error::Write)?;
            left -= read as u64;
        }
        let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        let rest = over.next_multiple_of(BLOCK) - over;
        self.tar.get_mut().write_all(&[0; BLOCK][..rest]).map_err(Error::Write)?;
        self.noted(name, &HEXLOWER.encode(sum.finish().as_ref()), size)
    }

    fn append(&mut self, name: &Path, mut header: Header, content: impl Read) -> Result<(), Error> {
        self.tar.append_data(&mut header, name, content).map_err(Error::Write)
    }

    fn noted(&mut self, name: &Path, sum: &str, size: u64) -> Result<(), Error> {
        let line = sums::line(sum, name);
        self.summed += line.len();
        self.sums.push(line);
        self.end.entries += 1;
        self.end.bytes += size;
        let is_much = self.sums.len() >= SUMMED || self.summed >= LISTED;
        if is_much { self.sum_up() } else { Ok(()) }
    }

    fn sum_up(&mut self) -> Result<(), Error> {
        if self.sums.is_empty() {
            return Ok(());
        }
        self.lists += 1;
        let text = self.sums.concat();
        self.sums.clear();
        self.summed = 0;
        let name = PathBuf::from(format!("{SUMS}/{:06}", self.lists));
        self.append(&name, header(files::PRIVATE, text.len() as u64), &*text)
    }

    /// Writes what is left, flushes it to the disk, and gives the archive its name; its size.
    pub(crate) fn finish(mut self) -> Result<u64, Error> {
        self.listed()?;
        self.sum_up()?;
        let text = serde_json::to_vec(&self.end).unwrap_or_default();
        self.append(Path::new(END), header(files::PRIVATE, text.len() as u64), &*text)?;
        let mut encoder = self.tar.into_inner().map_err(Error::Write)?;
        encoder.flush().map_err(Error::Write)?;
        let coat = encoder.finish().map_err(Error::Write)?;
        coat.off().map_err(Error::Write)?.finish()
    }
}

/// Who owns a file is a matter of the machine that it is brought back to.
fn header(mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_size(size);
    header
}
