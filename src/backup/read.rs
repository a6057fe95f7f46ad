//! Reading an archive: the manifest first, then every entry, each compared with its sum. What leads out of
//! the folder, has two places or is no plain file is refused.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, BufWriter, Cursor, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use data_encoding::HEXLOWER;
use ring::digest::{Context as Sum, SHA256, digest};
use serde::de::DeserializeOwned;
use tar::{Archive, EntryType};
use zstd::Decoder;

use super::{
    BLOBS, DATABASE, END, Error, FILES, MANIFEST, MEDIA, MEDIA_SENT, MEDIA_SUMS, Manifest, SUMS,
    Source,
    blobs::{Entry, KEY, Naming},
    depot::{Content, Depot},
    manifest::{Apart, End, FORMAT, is_plain},
    sums::{self, Unsummed, shown},
};
use crate::{
    age::{self, Identity, Keys, Opener},
    files,
    s3::objects,
};

/// The first bytes of what zstd wrote (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A list or a manifest that is larger is none of ours.
const LARGEST_TEXT: u64 = sums::LARGEST as u64;
/// What comes before an entry, such as a name that is too long for its header, is in memory: it is no larger.
const LARGEST_HEADER: u64 = 64 << 10;
/// The file with the key of the media is no larger.
const LARGEST_KEY: usize = 64 << 10;
const CHUNK: usize = 1 << 17;

pub(crate) struct Reader {
    path: PathBuf,
    depot: Depot,
    archive: Archive<Guarded>,
    bound: Bound,
    /// The size of the file, in bytes.
    pub(crate) size: u64,
    pub(crate) is_encrypted: bool,
}

/// How much may still be read, where there is a bound.
type Bound = Rc<Cell<Option<u64>>>;

/// An archive of which no more is read than was said.
struct Guarded {
    inner: Decoder<'static, BufReader<Content>>,
    bound: Bound,
}

impl Read for Guarded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.bound.get() else { return self.inner.read(into) };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 && !into.is_empty() {
            return Err(io::Error::other("what comes before one of its entries is too long"));
        }
        let read = self.inner.read(&mut into[..most])?;
        self.bound.set(Some(left.saturating_sub(read as u64)));
        Ok(read)
    }
}

/// What entries are written to, one after the other.
trait Sink {
    /// Whether the content of a file that lies beside the archive is wanted.
    fn beside(&mut self, _place: &str) -> bool {
        true
    }

    fn begin(&mut self, name: &Path, mode: u32) -> Result<(), files::Error>;
    fn write(&mut self, content: &[u8]) -> Result<(), files::Error>;
    fn end(&mut self, name: &Path, sum: &str) -> Result<(), files::Error>;
}

struct Nowhere;

impl Sink for Nowhere {
    fn begin(&mut self, _: &Path, _: u32) -> Result<(), files::Error> {
        Ok(())
    }

    fn write(&mut self, _: &[u8]) -> Result<(), files::Error> {
        Ok(())
    }

    fn end(&mut self, _: &Path, _: &str) -> Result<(), files::Error> {
        Ok(())
    }
}

/// Wants to know no more than what lies beside.
struct Places<'a>(&'a mut dyn FnMut(&str));

impl Sink for Places<'_> {
    fn beside(&mut self, place: &str) -> bool {
        (self.0)(place);
        false
    }

    fn begin(&mut self, _: &Path, _: u32) -> Result<(), files::Error> {
        Ok(())
    }

    fn write(&mut self, _: &[u8]) -> Result<(), files::Error> {
        Ok(())
    }

    fn end(&mut self, _: &Path, _: &str) -> Result<(), files::Error> {
        Ok(())
    }
}

impl Reader {
    /// Opens an archive; nothing of it is read but its first bytes.
    pub(crate) fn open(source: &Source, keys: &Keys) -> Result<Self, Error> {
        let path = source.path();
        let (content, size) = source.open()?;
        let (start, content) = begun(content).map_err(|error| fault(&path, &error))?;
        let is_encrypted = start == age::MAGIC;
        let content: Content = if is_encrypted {
            let opened = Opener::new(content, keys).map_err(|error| fault(&path, &error))?;
            Box::new(opened.map_err(|why| sealed(&path, why))?)
        } else {
            Box::new(content)
        };
        // What is encrypted shows only now what it is.
        let (start, content) = begun(content).map_err(|error| fault(&path, &error))?;
        if !start.starts_with(&ZSTD) {
            return Err(Error::Foreign(path));
        }
        let content = BufReader::with_capacity(CHUNK, Box::new(content) as Content);
        let decoder = Decoder::with_buffer(content).map_err(|error| fault(&path, &error))?;
        let bound = Bound::default();
        let archive = Archive::new(Guarded { inner: decoder, bound: Rc::clone(&bound) });
        Ok(Self { path, depot: source.depot.clone(), archive, bound, size, is_encrypted })
    }

    /// Its manifest alone.
    pub(crate) fn manifest(mut self) -> Result<Manifest, Error> {
        let path = self.path.clone();
        let mut entries = self.archive.entries().map_err(|error| fault(&path, &error))?;
        let entry = bounded(&self.bound, || entries.next());
        let entry = entry.ok_or_else(|| Error::Foreign(path.clone()))?;
        let mut entry = entry.map_err(|error| fault(&path, &error))?;
        let name = name_of(&path, &entry)?;
        manifest(&path, &name, &text(&path, &mut entry)?)
    }

    /// Unpacks it into a new folder: `files` as the data folder has them, `files/media`, `database/NAME.dump` and the
    /// sums of the media. All is compared with its sums.
    pub(crate) fn unpack(
        self,
        to: &Path,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Manifest, Error> {
        let mut folder = Folder::new(to)?;
        let manifest = self.through(&mut folder, on_bytes)?;
        folder.sums.flush().map_err(files::Error::io("write", &to.join(MEDIA_SUMS)))?;
        Ok(manifest)
    }

    /// Reads all of it, compares it with its sums and writes nothing: what unpacking it takes, in bytes.
    pub(crate) fn check(self) -> Result<u64, Error> {
        let mut all = 0;
        self.through(&mut Nowhere, &mut |bytes| all = bytes)?;
        Ok(all)
    }

    /// Reads all of it, compares it with its sums and tells where each file lies that it needs beside it.
    pub(super) fn places(self, found: &mut dyn FnMut(&str)) -> Result<(), Error> {
        self.through(&mut Places(found), &mut |_| ()).map(drop)
    }

    fn through(
        mut self,
        to: &mut dyn Sink,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Manifest, Error> {
        let path = self.path.clone();
        let damaged = |what: String| Error::Damaged { path: path.clone(), what };
        let mut entries = self.archive.entries().map_err(|error| fault(&path, &error))?;
        let mut known = None;
        let mut unsummed = Unsummed::default();
        let (mut count, mut bytes, mut last) = (0_u64, 0_u64, None::<End>);
        // Of the media beside it: how many bytes they have, and what opens them.
        let (mut apart, mut naming, mut secret) = (0_u64, None, Vec::new());
        let secret_at = Path::new(FILES).join("secrets").join(KEY);
        while let Some(entry) = bounded(&self.bound, || entries.next()) {
            let mut entry = entry.map_err(|error| fault(&path, &error))?;
            let name = name_of(&path, &entry)?;
            if last.is_some() {
                return Err(damaged(format!("`{}` comes after its end", shown(&name))));
            }
            if known.is_none() {
                let read = text(&path, &mut entry)?;
                known = Some(manifest(&path, &name, &read)?);
                unsummed
                    .add(&name, HEXLOWER.encode(digest(&SHA256, &read).as_ref()))
                    .map_err(damaged)?;
                (count, bytes) = (1, read.len() as u64);
                continue;
            }
            if name == Path::new(END) {
                last = Some(parsed(&path, END, &text(&path, &mut entry)?)?);
                continue;
            }
            if name.starts_with(SUMS) {
                unsummed.compare(&text(&path, &mut entry)?).map_err(damaged)?;
                continue;
            }
            if name.starts_with(BLOBS) {
                let list = text(&path, &mut entry)?;
                let naming = match &naming {
                    Some(naming) => naming,
                    None => naming.insert(naming_of(&path, known.as_ref(), &secret)?),
                };
                for line in String::from_utf8_lossy(&list).lines() {
                    let medium: Entry = parsed(&path, &shown(&name), line.as_bytes())?;
                    let mut told = |more| on_bytes(bytes + apart + more);
                    apart += blob(&path, &self.depot, naming, &medium, to, &mut told)?;
                }
                count += 1;
                bytes += list.len() as u64;
                unsummed
                    .add(&name, HEXLOWER.encode(digest(&SHA256, &list).as_ref()))
                    .map_err(damaged)?;
                continue;
            }
            let mode = entry.header().mode().unwrap_or(files::PRIVATE) & 0o777;
            let mut seen = |part: &[u8]| {
                if name == secret_at && secret.len() < LARGEST_KEY {
                    secret.extend_from_slice(part);
                }
                bytes += part.len() as u64;
                on_bytes(bytes + apart);
            };
            let why = |error: &io::Error| fault(&path, error);
            let (sum, _) = copied(&mut entry, &name, mode, to, &why, &mut seen)?;
            count += 1;
            unsummed.add(&name, sum).map_err(damaged)?;
        }
        // The end of what zstd wrote has a sum of its own. What tar has there is empty: all else is another's.
        let mut rest = self.archive.into_inner();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = rest.read(&mut chunk).map_err(|error| fault(&path, &error))?;
            if read == 0 {
                break;
            }
            if chunk[..read].iter().any(|byte| *byte != 0) {
                return Err(damaged("something follows its end".into()));
            }
        }
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

/// How the media beside an archive are named and opened.
fn naming_of(path: &Path, manifest: Option<&Manifest>, secret: &[u8]) -> Result<Naming, Error> {
    let damaged = |what: &str| Error::Damaged { path: path.to_owned(), what: what.to_owned() };
    match manifest.and_then(|it| it.media_apart) {
        None => Err(damaged("media lie beside it, and it does not say so")),
        Some(Apart::Plain) => Ok(Naming::plain()),
        Some(Apart::Encrypted) => {
            let identity = Identity::in_text(&String::from_utf8_lossy(secret))
                .ok_or_else(|| damaged("the key of the media beside it is not in it"))?;
            Naming::of(identity).map_err(|why| sealed(path, why))
        }
    }
}

/// Takes a file of the media from beside an archive and compares it with its sum; its size.
fn blob(
    path: &Path,
    depot: &Depot,
    naming: &Naming,
    medium: &Entry,
    to: &mut dyn Sink,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<u64, Error> {
    let damaged = |what: String| Error::Damaged { path: path.to_owned(), what };
    let name = Path::new(MEDIA).join(&medium.name);
    if !stays(&name) {
        return Err(damaged(format!("`{}` has no place in a backup", shown(&name))));
    }
    if medium.sha256.len() != 64 || HEXLOWER.decode(medium.sha256.as_bytes()).is_err() {
        return Err(damaged(format!("`{}` has no sum", shown(&name))));
    }
    if !to.beside(&naming.place(&medium.sha256)) {
        return Ok(0);
    }
    let mut content = naming.open(depot, medium, path)?;
    let why = |error: &io::Error| match fault(path, error) {
        Error::CutOff(_) => damaged(format!("`{}` beside it is cut off", shown(&name))),
        Error::Damaged { what, .. } => damaged(format!("`{}` beside it: {what}", shown(&name))),
        other => other,
    };
    let mut so_far = 0;
    let mut seen = |part: &[u8]| {
        so_far += part.len() as u64;
        on_bytes(so_far);
    };
    let (sum, size) = copied(&mut content, &name, medium.mode & 0o777, to, &why, &mut seen)?;
    if size != medium.size || sum != medium.sha256 {
        return Err(damaged(format!("`{}` is not what it was", shown(&name))));
    }
    Ok(size)
}

/// Reads all of a file and hands it on: its sum and its size, in bytes.
fn copied(
    content: &mut dyn Read,
    name: &Path,
    mode: u32,
    to: &mut dyn Sink,
    why: &dyn Fn(&io::Error) -> Error,
    seen: &mut dyn FnMut(&[u8]),
) -> Result<(String, u64), Error> {
    let (mut sum, mut size, mut chunk) = (Sum::new(&SHA256), 0, vec![0; CHUNK]);
    to.begin(name, mode)?;
    loop {
        let read = content.read(&mut chunk).map_err(|error| why(&error))?;
        if read == 0 {
            break;
        }
        sum.update(&chunk[..read]);
        to.write(&chunk[..read])?;
        seen(&chunk[..read]);
        size += read as u64;
    }
    let sum = HEXLOWER.encode(sum.finish().as_ref());
    to.end(name, &sum)?;
    Ok((sum, size))
}

fn stays(name: &Path) -> bool {
    name.components().all(|part| matches!(part, Component::Normal(_)))
}

/// A name that stays in its folder, in one of ours.
fn name_of(path: &Path, entry: &tar::Entry<'_, impl Read>) -> Result<PathBuf, Error> {
    let name = entry.path().map_err(|error| fault(path, &error))?.into_owned();
    let is_plain = entry.header().entry_type() == EntryType::Regular;
    let known = [MANIFEST, END].iter().any(|it| name == Path::new(it))
        || [FILES, MEDIA, DATABASE, BLOBS, SUMS].iter().any(|it| name.starts_with(it));
    if is_plain && stays(&name) && known {
        return Ok(name);
    }
    let what = format!("`{}` has no place in a backup", shown(&name));
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
    let all = parsed(path, MANIFEST, text)?;
    if !is_plain(&all) {
        let what = format!("`{MANIFEST}` has characters in it that no name has");
        return Err(Error::Damaged { path: path.to_owned(), what });
    }
    parsed(path, MANIFEST, text)
}

fn parsed<T: DeserializeOwned>(path: &Path, name: &str, text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        what: format!("`{name}` cannot be read: {error}"),
    })
}

fn text(path: &Path, entry: &mut tar::Entry<'_, impl Read>) -> Result<Vec<u8>, Error> {
    if entry.size() > LARGEST_TEXT {
        let what = "one of its lists is too long".to_owned();
        return Err(Error::Damaged { path: path.to_owned(), what });
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text).map_err(|error| fault(path, &error))?;
    Ok(text)
}

/// Goes on to the next entry; what was before it has been read.
fn bounded<T>(bound: &Bound, next: impl FnOnce() -> T) -> T {
    bound.set(Some(LARGEST_HEADER));
    let next = next();
    bound.set(None);
    next
}

/// The first bytes of it, as many as tell what it is, and all of it.
fn begun(mut content: Content) -> io::Result<(Vec<u8>, impl Read + Send + use<>)> {
    let mut start = Vec::with_capacity(age::MAGIC.len());
    (&mut content).take(age::MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok((start.clone(), Cursor::new(start).chain(content)))
}

/// What keeps something encrypted from being read.
fn sealed(path: &Path, why: age::Error) -> Error {
    let path = path.to_owned();
    match why {
        why if why.is_about_keys() => Error::Sealed { path, why },
        age::Error::CutOff => Error::CutOff(path),
        why => Error::Damaged { path, what: why.to_string() },
    }
}

/// What age, tar and zstd say of an archive that ends too early, and of one that was altered.
fn fault(path: &Path, error: &io::Error) -> Error {
    let path = path.to_owned();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(now) = cause {
        if let Some(away) = now.downcast_ref::<objects::Error>() {
            return Error::Read { path, why: away.to_string() };
        }
        match now.downcast_ref() {
            Some(age::Error::CutOff) => return Error::CutOff(path),
            Some(why) => return Error::Damaged { path, what: why.to_string() },
            None => {}
        }
        let inner = now.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = inner.map(|it| it as &(dyn std::error::Error + 'static)).or_else(|| now.source());
    }
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
    /// Of what was sent here, for whoever compares it with the database.
    sums: BufWriter<File>,
}

impl Folder {
    fn new(root: &Path) -> Result<Self, files::Error> {
        files::private_folder(root)?;
        let path = root.join(MEDIA_SUMS);
        let mut options = File::options();
        options.mode(files::PRIVATE).create(true).write(true).truncate(true);
        let sums = options.open(&path).map_err(files::Error::io("write", &path))?;
        Ok(Self { root: root.to_owned(), open: None, sums: BufWriter::new(sums) })
    }
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

    fn end(&mut self, name: &Path, sum: &str) -> Result<(), files::Error> {
        self.open = None;
        if let Ok(name) = name.strip_prefix(MEDIA_SENT) {
            let written = self.sums.write_all(&sums::line(sum, name));
            written.map_err(files::Error::io("write", &self.root.join(MEDIA_SUMS)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

    use super::*;
    use crate::{
        age::To,
        backup::{
            blobs::Blobs,
            manifest::{Counts, Schema},
            write::Writer,
        },
        data_dir::DataDir,
    };

    pub(in crate::backup) fn manifest() -> Manifest {
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
            media_apart: None,
        }
    }

    /// A backup with a secret, a file that is longer than what is read at once, and a database in two pieces.
    fn made(folder: &Path, to: Option<&To>) -> PathBuf {
        let data = DataDir::new(folder.join("data"));
        data.create().unwrap();
        files::write_atomically(&data.signing_key(), b"key", files::PRIVATE).unwrap();
        let media = data.media().join("local_content/aa/bb/cc");
        fs::create_dir_all(media.parent().unwrap()).unwrap();
        files::write_atomically(&media, &vec![7; 300_000], files::PRIVATE).unwrap();
        let path = folder.join("a.tar.zst");
        let output = |path: &Path| {
            let Source { depot, name } = Source::file(path).unwrap();
            depot.create(&name).unwrap()
        };
        let mut writer = Writer::create(output(&path), to, &manifest()).unwrap();
        for found in crate::backup::files_of(&data, &mut Vec::new()).unwrap() {
            assert!(writer.file(&found, false).unwrap());
        }
        let mut media = |found| writer.file(&found, true).map(drop);
        crate::backup::media_of(&data, &mut Vec::new(), &mut media).unwrap();
        writer.whole(Path::new("database/homeserver/000001"), b"one").unwrap();
        writer.whole(Path::new("database/homeserver/000002"), b"two").unwrap();
        assert!(!path.exists(), "it has its name when it is whole");
        writer.finish().unwrap();
        path
    }

    fn reader(path: &Path) -> Result<Reader, Error> {
        Reader::open(&Source::file(path)?, &Keys::default())
    }

    fn unpacked(path: &Path, to: &Path) -> Result<Manifest, Error> {
        unpacked_with(path, to, &Keys::default())
    }

    fn unpacked_with(path: &Path, to: &Path, keys: &Keys) -> Result<Manifest, Error> {
        let source = Source::file(path)?;
        let checked = Reader::open(&source, keys)?.check();
        let unpacked = Reader::open(&source, keys)?.unpack(to, &mut |_| ());
        assert_eq!(checked.is_ok(), unpacked.is_ok());
        unpacked
    }

    #[test]
    fn what_went_in_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = made(folder.path(), None);
        assert_eq!(reader(&path).unwrap().manifest().unwrap(), manifest());
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
        let path = made(folder.path(), None);
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
        let path = made(folder.path(), None);
        let whole = fs::read(&path).unwrap();
        let content = zstd::decode_all(&*whole).unwrap();
        let other = folder.path().join("other.tar.zst");
        for at in (0..whole.len()).step_by(11) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            files::write_atomically(&other, &bytes, files::PRIVATE).unwrap();
            let to = folder.path().join(at.to_string());
            // A bit of zstd's that means nothing changes nothing either.
            let is_same = zstd::decode_all(&*bytes).is_ok_and(|it| it == content);
            assert_eq!(unpacked(&other, &to).is_ok(), is_same, "{at}");
        }
    }

    #[test]
    fn two_that_were_joined_are_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        let path = made(folder.path(), None);
        let whole = fs::read(&path).unwrap();
        let joined = folder.path().join("joined.tar.zst");
        files::write_atomically(&joined, &[&whole[..], &whole[..]].concat(), files::PRIVATE)
            .unwrap();
        let error = unpacked(&joined, &folder.path().join("to")).unwrap_err().to_string();
        assert!(error.ends_with("something follows its end"), "{error}");
    }

    #[test]
    fn one_that_is_encrypted_says_what_opens_it() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::generate();
        let path = made(folder.path(), Some(&To::Recipients(vec![identity.recipient()])));
        let keys = Keys { identities: vec![identity], passphrase: None };
        let to = folder.path().join("to");
        assert_eq!(unpacked_with(&path, &to, &keys).unwrap(), manifest());
        assert_eq!(files::read(&to.join("files/secrets/signing.key")).unwrap(), "key");
        let said = |keys: &Keys| match unpacked_with(&path, &to, keys).unwrap_err() {
            Error::Sealed { why, .. } => why.to_string(),
            other => panic!("{other}"),
        };
        assert_eq!(said(&Keys::default()), "it is encrypted for keys");
        let others = Keys { identities: vec![Identity::generate()], passphrase: None };
        assert_eq!(said(&others), "it is encrypted for other keys");
        let whole = fs::read(&path).unwrap();
        let short = folder.path().join("short");
        for length in (30..whole.len()).step_by(23) {
            files::write_atomically(&short, &whole[..length], files::PRIVATE).unwrap();
            let error = unpacked_with(&short, &to, &keys).unwrap_err();
            assert!(matches!(error, Error::CutOff(_)), "{length}: {error}");
        }
        // Not even what is in it shows.
        assert!(!whole.windows(13).any(|part| part == b"manifest.json"));
    }

    #[test]
    fn media_that_lie_beside_it_come_back_and_what_is_wrong_with_them_is_said() {
        for identity in [None, Some(Identity::generate())] {
            let folder = tempfile::tempdir().unwrap();
            let to = identity.as_ref().map(|it| To::Recipients(vec![it.recipient()]));
            let keys = Keys { identities: identity.into_iter().collect(), passphrase: None };
            let data = DataDir::new(folder.path().join("data"));
            data.create().unwrap();
            let medium = data.media().join("local_content/aa/bb/cc");
            fs::create_dir_all(medium.parent().unwrap()).unwrap();
            files::write_atomically(&medium, &vec![7; 300_000], files::PRIVATE).unwrap();
            let source = Source::file(&folder.path().join("x-1.inc.tar.zst")).unwrap();
            let Source { depot, name } = source.clone();
            let apart = if to.is_some() { Apart::Encrypted } else { Apart::Plain };
            let manifest = Manifest { media_apart: Some(apart), ..manifest() };
            let mut blobs = Blobs::begin(&data, depot.clone(), &name, to.as_ref()).unwrap();
            let output = depot.create(&name).unwrap();
            let mut writer = Writer::create(output, to.as_ref(), &manifest).unwrap();
            for found in crate::backup::files_of(&data, &mut Vec::new()).unwrap() {
                assert!(writer.file(&found, false).unwrap());
            }
            let mut media = |found| writer.beside(&found, &mut blobs).map(drop);
            crate::backup::media_of(&data, &mut Vec::new(), &mut media).unwrap();
            blobs.finish().unwrap().1.stay();
            writer.finish().unwrap();
            assert!(source.size().unwrap().unwrap() < 10_000, "the media are not in it");

            let unpacked = |to: &str| unpacked_with(&source.path(), &folder.path().join(to), &keys);
            unpacked("to").unwrap();
            let came = folder.path().join("to/files/media/local_content/aa/bb/cc");
            assert_eq!(fs::read(came).unwrap(), vec![7; 300_000]);
            let checked = Reader::open(&source, &keys).unwrap().check().unwrap();
            assert!(checked > 300_000, "{checked}");
            let mut blob = None;
            depot
                .below(BLOBS, &mut |name| {
                    blob = Some(depot.path(name));
                    Ok(())
                })
                .unwrap();
            let blob = blob.unwrap();
            let whole = fs::read(&blob).unwrap();
            let mut other = whole.clone();
            other[1000] ^= 1;
            let said = |content: Option<&[u8]>, why: &str| {
                files::remove(&blob).unwrap();
                if let Some(content) = content {
                    files::write_atomically(&blob, content, files::PRIVATE).unwrap();
                }
                let error = unpacked(why).unwrap_err();
                assert!(matches!(error, Error::Damaged { .. }), "{error}");
                error.to_string()
            };
            said(Some(&other), "altered");
            said(Some(&whole[..200_000]), "short");
            let missing = said(None, "none");
            assert!(missing.ends_with("is missing"), "{missing}");
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
        assert!(matches!(reader(&path), Err(Error::Foreign(_))));
        let of = |text: &[u8]| {
            let path = foreign(folder.path(), &[(MANIFEST, EntryType::Regular, text)]);
            reader(&path).unwrap().manifest().unwrap_err()
        };
        assert!(matches!(of(b"{\"format\": 9}"), Error::Newer { format: 9, .. }));
        assert!(matches!(of(b"{}"), Error::Foreign(_)));
    }

    #[test]
    fn what_a_manifest_says_can_be_printed() {
        let folder = tempfile::tempdir().unwrap();
        let of = |manifest: &Manifest| {
            let text = serde_json::to_vec(manifest).unwrap();
            let path = foreign(folder.path(), &[(MANIFEST, EntryType::Regular, &text)]);
            reader(&path).unwrap().manifest()
        };
        of(&Manifest { server_name: "bücher.example".into(), ..manifest() }).unwrap();
        for manifest in [
            Manifest { server_name: "x.org\u{1b}[2J".into(), ..manifest() },
            Manifest { bridges: vec!["a\nb".into()], ..manifest() },
            Manifest { bucket: Some("\u{9b}1m".into()), ..manifest() },
        ] {
            let error = of(&manifest).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
            assert!(!error.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn names_that_are_no_text_and_names_of_several_lines_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().join("data"));
        data.create().unwrap();
        let long = [&[b'x'; 150][..], b"\xff"].concat();
        let names = [&b"\xff.pem"[..], b"\xfe.pem", b"two\nlines", b"a\\b", b"a\r", &long];
        let names = names.map(|it| Path::new(OsStr::from_bytes(it)));
        for (below, content) in [("tls", b"file"), ("media/local_content", b"sent")] {
            files::private_folder(&data.root().join(below)).unwrap();
            for name in names {
                let path = data.root().join(below).join(name);
                let content = [&content[..], name.as_os_str().as_bytes()].concat();
                files::write_atomically(&path, &content, files::PRIVATE).unwrap();
            }
        }
        for is_apart in [false, true] {
            let source = Source::file(&folder.path().join(format!("{is_apart}.tar.zst"))).unwrap();
            let Source { depot, name } = source.clone();
            let media_apart = is_apart.then_some(Apart::Plain);
            let manifest = Manifest { media_apart, ..manifest() };
            let blobs = || Blobs::begin(&data, depot.clone(), &name, None).unwrap();
            let mut blobs = is_apart.then(blobs);
            let mut writer = Writer::create(depot.create(&name).unwrap(), None, &manifest).unwrap();
            for found in crate::backup::files_of(&data, &mut Vec::new()).unwrap() {
                assert!(writer.file(&found, false).unwrap());
            }
            let mut media = |found| match &mut blobs {
                Some(blobs) => writer.beside(&found, blobs).map(drop),
                None => writer.file(&found, true).map(drop),
            };
            crate::backup::media_of(&data, &mut Vec::new(), &mut media).unwrap();
            if let Some(blobs) = blobs {
                blobs.finish().unwrap().1.stay();
            }
            writer.finish().unwrap();
            let to = folder.path().join(format!("to-{is_apart}"));
            unpacked(&source.path(), &to).unwrap();
            for below in ["tls", "media/local_content"] {
                for name in names {
                    let came = fs::read(to.join("files").join(below).join(name)).unwrap();
                    assert_eq!(came, fs::read(data.root().join(below).join(name)).unwrap());
                }
            }
        }
    }

    #[test]
    fn a_name_without_end_is_not_read_into_memory() {
        let folder = tempfile::tempdir().unwrap();
        let text = serde_json::to_vec(&manifest()).unwrap();
        let first = (MANIFEST, EntryType::Regular, &text[..]);
        let last = ("files/a", EntryType::Regular, &b"a"[..]);
        let name = vec![b'a'; 1 << 20];
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
            let long = ("long", kind, &name[..]);
            let path = foreign(folder.path(), &[long, first]);
            let error = reader(&path).unwrap().manifest().unwrap_err();
            assert!(error.to_string().ends_with("is too long"), "{error}");
            let path = foreign(folder.path(), &[first, long, last]);
            assert_eq!(reader(&path).unwrap().manifest().unwrap(), manifest());
            let error = reader(&path).unwrap().check().unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
            assert!(error.to_string().ends_with("is too long"), "{error}");
        }
    }
}
