//! Reading an archive: the manifest first, then every entry, each compared with its sum. What leads out of
//! the folder, has two places or is no plain file is refused.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Component, Path, PathBuf},
};

use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tar::{Archive, EntryType};
use zstd::Decoder;

use super::{
    DATABASE, END, Error, FILES, MANIFEST, MEDIA, Manifest, SUMS,
    manifest::{End, FORMAT},
};
use crate::files;

/// The first bytes of what zstd wrote (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A list or a manifest that is larger is none of ours.
const LARGEST_TEXT: u64 = 4 << 20;
const CHUNK: usize = 1 << 17;

pub(crate) struct Reader {
    path: PathBuf,
    archive: Archive<Decoder<'static, BufReader<File>>>,
    /// The size of the file, in bytes.
    pub(crate) size: u64,
}

/// What entries are written to, one after the other.
trait Sink {
    fn begin(&mut self, name: &Path, mode: u32) -> Result<(), files::Error>;
    fn write(&mut self, content: &[u8]) -> Result<(), files::Error>;
    fn end(&mut self);
}

struct Nowhere;

impl Sink for Nowhere {
    fn begin(&mut self, _: &Path, _: u32) -> Result<(), files::Error> {
        Ok(())
    }

    fn write(&mut self, _: &[u8]) -> Result<(), files::Error> {
        Ok(())
    }

    fn end(&mut self) {}
}

impl Reader {
    /// Opens an archive; nothing of it is read but its first bytes.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error| files::Error::io("read", path)(error);
        let found = fs::metadata(path).map_err(failed)?;
        if !found.is_file() {
            return Err(Error::Foreign(path.to_owned()));
        }
        let mut file = BufReader::new(files::open(path).map_err(failed)?);
        let start = io::BufRead::fill_buf(&mut file).map_err(failed)?;
        if !start.starts_with(&ZSTD) {
            return Err(Error::Foreign(path.to_owned()));
        }
        let decoder = Decoder::with_buffer(file).map_err(failed)?;
        Ok(Self { path: path.to_owned(), archive: Archive::new(decoder), size: found.len() })
    }

    /// Its manifest alone.
    pub(crate) fn manifest(mut self) -> Result<Manifest, Error> {
        let path = self.path.clone();
        let mut entries = self.archive.entries().map_err(|error| fault(&path, &error))?;
        let entry = entries.next().ok_or_else(|| Error::Foreign(path.clone()))?;
        let mut entry = entry.map_err(|error| fault(&path, &error))?;
        let name = name_of(&path, &entry)?;
        manifest(&path, &name, &text(&path, &mut entry)?)
    }

    /// Unpacks it into a new folder: `files` as the data folder has them, `files/media`, and `database/NAME.dump`.
    /// All is compared with its sums.
    pub(crate) fn unpack(
        self,
        to: &Path,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Manifest, Error> {
        self.through(&mut Folder { root: to.to_owned(), open: None }, on_bytes)
    }

    /// Reads all of it, compares it with its sums and writes nothing: what unpacking it takes, in bytes.
    pub(crate) fn check(self) -> Result<u64, Error> {
        let mut all = 0;
        self.through(&mut Nowhere, &mut |bytes| all = bytes)?;
        Ok(all)
    }

    fn through(
        mut self,
        to: &mut dyn Sink,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Manifest, Error> {
        let path = self.path.clone();
        let damaged = |what: String| Error::Damaged { path: path.clone(), what };
        let entries = self.archive.entries().map_err(|error| fault(&path, &error))?;
        let mut known = None;
        let mut unsummed: BTreeMap<String, String> = BTreeMap::new();
        let (mut count, mut bytes, mut last) = (0_u64, 0_u64, None::<End>);
        let mut chunk = vec![0; CHUNK];
        for entry in entries {
            let mut entry = entry.map_err(|error| fault(&path, &error))?;
            let name = name_of(&path, &entry)?;
            let shown = name.display().to_string();
            if last.is_some() {
                return Err(damaged(format!("`{shown}` comes after its end")));
            }
            if known.is_none() {
                let read = text(&path, &mut entry)?;
                known = Some(manifest(&path, &name, &read)?);
                unsummed.insert(shown, HEXLOWER.encode(&Sha256::digest(&read)));
                (count, bytes) = (1, read.len() as u64);
                continue;
            }
            if name == Path::new(END) {
                last = Some(parsed(&path, &shown, &text(&path, &mut entry)?)?);
                continue;
            }
            if name.starts_with(SUMS) {
                let list = text(&path, &mut entry)?;
                for line in String::from_utf8_lossy(&list).lines() {
                    let (sum, name) = line.split_once("  ").unwrap_or_default();
                    match unsummed.remove(name) {
                        Some(found) if found == sum => {}
                        Some(_) => return Err(damaged(format!("`{name}` is not what it was"))),
                        None => return Err(damaged(format!("`{name}` is missing"))),
                    }
                }
                if let Some(name) = unsummed.keys().next() {
                    return Err(damaged(format!("`{name}` has no sum")));
                }
                continue;
            }
            let mode = entry.header().mode().unwrap_or(files::PRIVATE) & 0o777;
            let mut sum = Sha256::new();
            to.begin(&name, mode)?;
            loop {
                let read = entry.read(&mut chunk).map_err(|error| fault(&path, &error))?;
                if read == 0 {
                    break;
                }
                sum.update(&chunk[..read]);
                to.write(&chunk[..read])?;
                bytes += read as u64;
                on_bytes(bytes);
            }
            to.end();
            count += 1;
            if unsummed.insert(shown.clone(), HEXLOWER.encode(&sum.finalize())).is_some() {
                return Err(damaged(format!("`{shown}` is in it twice")));
            }
        }
        // The end of what zstd wrote has a sum of its own.
        io::copy(&mut self.archive.into_inner(), &mut io::sink())
            .map_err(|error| fault(&path, &error))?;
        let known = known.ok_or_else(|| Error::Foreign(path.clone()))?;
        match last {
            None => Err(Error::CutOff(path)),
            Some(end) if end != (End { entries: count, bytes }) || !unsummed.is_empty() => {
                Err(damaged("not all is there that was written".into()))
            }
            Some(_) => Ok(known),
        }
    }
}

/// A name that stays in its folder, in one of ours.
fn name_of(path: &Path, entry: &tar::Entry<'_, impl Read>) -> Result<PathBuf, Error> {
    let name = entry.path().map_err(|error| fault(path, &error))?.into_owned();
    let is_plain = entry.header().entry_type() == EntryType::Regular;
    let stays = name.components().all(|part| matches!(part, Component::Normal(_)));
    let known = [MANIFEST, END].iter().any(|it| name == Path::new(it))
        || [FILES, MEDIA, DATABASE, SUMS].iter().any(|it| name.starts_with(it));
    if is_plain && stays && known {
        return Ok(name);
    }
    let what = format!("`{}` has no place in a backup", name.display());
    Err(Error::Damaged { path: path.to_owned(), what })
}

fn manifest(path: &Path, name: &Path, text: &[u8]) -> Result<Manifest, Error> {
    #[derive(serde::Deserialize)]
    struct Kind {
        format: u32,
    }
    let foreign = || Error::Foreign(path.to_owned());
    if name != Path::new(MANIFEST) {
        return Err(foreign());
    }
    let Kind { format } = serde_json::from_slice(text).map_err(|_| foreign())?;
    if format > FORMAT {
        return Err(Error::Newer { path: path.to_owned(), format });
    }
    parsed(path, MANIFEST, text)
}

fn parsed<T: DeserializeOwned>(path: &Path, name: &str, text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        what: format!("`{name}` cannot be read: {error}"),
    })
}

fn text(path: &Path, entry: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    entry.take(LARGEST_TEXT).read_to_end(&mut text).map_err(|error| fault(path, &error))?;
    Ok(text)
}

/// What tar and zstd say of an archive that ends too early, and of one that was altered.
fn fault(path: &Path, error: &io::Error) -> Error {
    let path = path.to_owned();
    let words = error.to_string();
    let early = error.kind() == io::ErrorKind::UnexpectedEof
        || words.contains("incomplete frame")
        || words.contains("unexpected EOF");
    if early { Error::CutOff(path) } else { Error::Damaged { path, what: words } }
}

/// Where it is unpacked, and the file that is written now.
struct Folder {
    root: PathBuf,
    open: Option<(File, PathBuf)>,
}

impl Sink for Folder {
    fn begin(&mut self, name: &Path, mode: u32) -> Result<(), files::Error> {
        // The pieces of a database become one file again.
        let is_piece = name.starts_with(DATABASE);
        let path = match name.parent() {
            Some(folder) if is_piece => self.root.join(folder).with_extension("dump"),
            _ if name.starts_with(MEDIA) => self.root.join(FILES).join(name),
            _ => self.root.join(name),
        };
        let failed = |error| files::Error::io("write", &path)(error);
        if let Some(folder) = path.parent() {
            files::private_folder(folder)?;
        }
        let mut options = File::options();
        options.mode(mode).create(true);
        if is_piece {
            options.append(true)
        } else {
            options.write(true).truncate(true)
        };
        let file = options.open(&path).map_err(failed)?;
        self.open = Some((file, path));
        Ok(())
    }

    fn write(&mut self, content: &[u8]) -> Result<(), files::Error> {
        let Some((file, path)) = &mut self.open else { return Ok(()) };
        file.write_all(content).map_err(files::Error::io("write", path))
    }

    fn end(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backup::{
            manifest::{Counts, Schema},
            write::Writer,
        },
        data_dir::DataDir,
    };

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            program: "0.1.0".into(),
            made_at: "2026-11-21T04:54:15Z".into(),
            server_name: "x.org".into(),
            synapse: "1.163.2".into(),
            schema: Schema { version: 94, compat: 84 },
            postgres: "15.18".into(),
            postgres_major: 15,
            key: "ed25519:a_AbCd".into(),
            bridges: Vec::new(),
            counts: Counts::default(),
            bucket: None,
        }
    }

    /// A backup with a secret, a file that is longer than what is read at once, and a database in two pieces.
    fn made(folder: &Path) -> PathBuf {
        let data = DataDir::new(folder.join("data"));
        data.create().unwrap();
        files::write_atomically(&data.signing_key(), b"key", files::PRIVATE).unwrap();
        let media = data.media().join("local_content/aa/bb/cc");
        fs::create_dir_all(media.parent().unwrap()).unwrap();
        files::write_atomically(&media, &vec![7; 300_000], files::PRIVATE).unwrap();
        let path = folder.join("a.tar.zst");
        let mut writer = Writer::create(&path, &manifest()).unwrap();
        for found in crate::backup::files_of(&data).unwrap() {
            assert!(writer.file(&found, false).unwrap());
        }
        crate::backup::media_of(&data, &mut |found| writer.file(&found, true).map(drop)).unwrap();
        writer.whole(Path::new("database/homeserver/000001"), b"one").unwrap();
        writer.whole(Path::new("database/homeserver/000002"), b"two").unwrap();
        assert!(!path.exists(), "it has its name when it is whole");
        writer.finish().unwrap();
        path
    }

    fn unpacked(path: &Path, to: &Path) -> Result<Manifest, Error> {
        let checked = Reader::open(path)?.check();
        let unpacked = Reader::open(path)?.unpack(to, &mut |_| ());
        assert_eq!(checked.is_ok(), unpacked.is_ok());
        unpacked
    }

    #[test]
    fn what_went_in_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = made(folder.path());
        assert_eq!(Reader::open(&path).unwrap().manifest().unwrap(), manifest());
        let to = folder.path().join("to");
        assert_eq!(unpacked(&path, &to).unwrap(), manifest());
        assert_eq!(files::read(&to.join("files/secrets/signing.key")).unwrap(), "key");
        assert_eq!(
            fs::read(to.join("files/media/local_content/aa/bb/cc")).unwrap(),
            vec![7; 300_000]
        );
        assert_eq!(files::read(&to.join("database/homeserver.dump")).unwrap(), "onetwo");
    }

    #[test]
    fn one_that_is_cut_off_anywhere_is_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        let path = made(folder.path());
        let whole = fs::read(&path).unwrap();
        let short = folder.path().join("short.tar.zst");
        for length in (5..whole.len()).step_by(7) {
            files::write_atomically(&short, &whole[..length], files::PRIVATE).unwrap();
            let to = folder.path().join(length.to_string());
            let error = unpacked(&short, &to).unwrap_err();
            assert!(matches!(error, Error::CutOff(_) | Error::Foreign(_)), "{length}: {error}");
        }
    }

    #[test]
    fn one_that_was_altered_anywhere_is_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        let path = made(folder.path());
        let whole = fs::read(&path).unwrap();
        let other = folder.path().join("other.tar.zst");
        for at in (0..whole.len()).step_by(11) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            files::write_atomically(&other, &bytes, files::PRIVATE).unwrap();
            let to = folder.path().join(at.to_string());
            assert!(unpacked(&other, &to).is_err(), "{at}");
        }
    }

    /// An archive of these entries, as somebody else may make one.
    fn foreign(folder: &Path, entries: &[(&str, EntryType, &[u8])]) -> PathBuf {
        let path = folder.join("foreign.tar.zst");
        let encoder = zstd::Encoder::new(File::create(&path).unwrap(), 1).unwrap();
        let mut builder = tar::Builder::new(encoder);
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn nothing_is_written_outside_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let text = serde_json::to_vec(&manifest()).unwrap();
        let first = (MANIFEST, EntryType::Regular, &text[..]);
        for (name, kind) in [
            ("files/../../out", EntryType::Regular),
            ("/out", EntryType::Regular),
            ("elsewhere/out", EntryType::Regular),
            ("files/out", EntryType::Symlink),
        ] {
            let path = foreign(folder.path(), &[first, (name, kind, b"")]);
            let to = folder.path().join("to/in");
            let error = unpacked(&path, &to).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{name}: {error}");
            assert!(!folder.path().join("out").exists() && !to.join("files/out").exists());
        }
    }

    #[test]
    fn what_is_no_backup_and_what_is_newer_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        files::write_atomically(&path, b"text", files::PRIVATE).unwrap();
        assert!(matches!(Reader::open(&path), Err(Error::Foreign(_))));
        let of = |text: &[u8]| {
            let path = foreign(folder.path(), &[(MANIFEST, EntryType::Regular, text)]);
            Reader::open(&path).unwrap().manifest().unwrap_err()
        };
        assert!(matches!(of(b"{\"format\": 9}"), Error::Newer { format: 9, .. }));
        assert!(matches!(of(b"{}"), Error::Foreign(_)));
    }
}
