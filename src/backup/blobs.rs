//! Media that lie beside the archives, each file once: a backup holds only their list. What was sent never
//! changes, so what was read once is known by its size, its inode and its time, and is not read again.
//!
//! `blobs/ab/abcd…` is a file by the SHA-256 of its content. Encrypted ones have a name that says nothing of the
//! content, and are for a key of this homeserver's: it is in every archive among the secrets, so whoever opens
//! an archive opens them too. Beside an archive `NAME.inc.tar.zst` lies `NAME.blobs.zst`, the names of the files that
//! it needs, so that what none needs can be removed without a key.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use ring::digest::{Context as Sum, SHA256};
use ring::hmac;
use serde::{Deserialize, Serialize};
use zstd::Encoder;

use super::{
    BLOBS, Depot, Error, Found,
    depot::{Coat, Content, Output},
    stem,
};
use crate::{
    age::{self, Identity, Keys, Opener, Recipient, To},
    data_dir::DataDir,
    files::{self, Growing},
};

/// The end of the name of a list beside an archive.
pub(super) const NAMES: &str = ".blobs.zst";
/// What the name of an archive that needs blobs has before its end.
pub(crate) const MARK: &str = ".inc";
/// The key that encrypted ones are for, below `secrets/`.
pub(super) const KEY: &str = "backup.key";
const CHUNK: usize = 1 << 17;

/// A file of the media, as the list in an archive has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) mode: u32,
    /// Below the folder of the media.
    #[serde(with = "named")]
    pub(super) name: PathBuf,
}

/// A name in JSON: text, or its bytes where it is none.
mod named {
    use std::{
        ffi::OsString,
        os::unix::ffi::{OsStrExt as _, OsStringExt as _},
        path::{Path, PathBuf},
    };

    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Name {
        Text(PathBuf),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(name: &Path, to: S) -> Result<S::Ok, S::Error> {
        match name.to_str() {
            Some(text) => to.serialize_str(text),
            None => name.as_os_str().as_bytes().serialize(to),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Name::deserialize(from)? {
            Name::Text(name) => name,
            Name::Bytes(name) => OsString::from_vec(name).into(),
        })
    }
}

/// What is known of a file from the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    #[serde(with = "named")]
    name: PathBuf,
    size: u64,
    inode: u64,
    /// When it last changed in any way, in nanoseconds.
    changed: i128,
    sha256: String,
}

/// How blobs are named and opened.
#[derive(Clone)]
pub(super) struct Naming(Option<(hmac::Key, Recipient, Keys)>);

impl Naming {
    pub(super) fn plain() -> Self {
        Self(None)
    }

    pub(super) fn of(identity: Identity) -> Result<Self, age::Error> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &identity.derived("names of blobs")?);
        let recipient = identity.recipient();
        let keys = Keys { identities: vec![identity], passphrase: None };
        Ok(Self(Some((key, recipient, keys))))
    }

    /// Where the content with this hash lies in the depot.
    pub(super) fn place(&self, sha256: &str) -> String {
        let (name, end) = match &self.0 {
            None => (sha256.to_owned(), ""),
            Some((key, ..)) => {
                (HEXLOWER.encode(hmac::sign(key, sha256.as_bytes()).as_ref()), age::SUFFIX)
            }
        };
        place(&format!("{name}{end}"))
    }

    fn size(&self, plain: u64) -> u64 {
        if self.0.is_some() { age::sealed_size(plain) } else { plain }
    }

    /// Reads one; it has not been compared with anything.
    pub(super) fn open(
        &self,
        depot: &Depot,
        entry: &Entry,
        archive: &Path,
    ) -> Result<Content, Error> {
        let place = self.place(&entry.sha256);
        let damaged = |what: String| Error::Damaged { path: archive.to_owned(), what };
        let missing = || damaged(format!("`{}` is missing", depot.path(&place).display()));
        if depot.size(&place)?.is_none() {
            return Err(missing());
        }
        let (content, _) = depot.open(&place)?;
        let Some((.., keys)) = &self.0 else { return Ok(content) };
        let opened = Opener::new(content, keys);
        let opened = opened.map_err(files::Error::io("read", &depot.path(&place)))?;
        let opened = opened.map_err(|why| {
            damaged(format!("`{}` cannot be opened: {why}", depot.path(&place).display()))
        })?;
        Ok(Box::new(opened))
    }
}

/// The key that encrypted blobs are for. It belongs to those whom the archives are for: with others, all is stored
/// anew, so that who could read what was before cannot read what comes.
fn identity(data: &DataDir, to: &To) -> Result<Identity, Error> {
    let path = data.secret(KEY);
    let readers = match to {
        To::Recipients(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        To::Passphrase(_) => "passphrase".to_owned(),
    };
    let note = format!("# of the media in incremental backups for: {readers}\n");
    if let Some(text) = files::read_if_exists(&path)?
        && text.starts_with(&note)
        && let Some(identity) = Identity::in_text(&text)
    {
        return Ok(identity);
    }
    let identity = Identity::generate();
    let text = format!("{note}{}\n", identity.text().expose());
    files::write_atomically(&path, text.as_bytes(), files::PRIVATE)?;
    Ok(identity)
}

/// Where the media of a backup that is being made go.
pub(crate) struct Blobs {
    depot: Depot,
    naming: Naming,
    /// What a bucket has, asked once: one question for each file would take too long.
    there: Option<Vec<u128>>,
    old: Index,
    new: Growing,
    /// Their names, which come beside the archive.
    names: Encoder<'static, Output>,
    list: String,
    stored: Stored,
    fresh: Fresh,
}

/// What a run stored that was not there before: it goes again unless there comes a backup that needs it. Whoever
/// makes one holds the lock of the folder for as long as this lives, so nobody else has begun to use it. A bucket has no lock:
/// there it stays for the next backup, or goes with the next removal.
pub(crate) struct Fresh {
    depot: Depot,
    names: Vec<u128>,
    /// The list beside the archive, once it is there.
    list: Option<String>,
}

impl Fresh {
    /// There is a backup that needs it.
    pub(crate) fn stay(mut self) {
        self.names.clear();
        self.list = None;
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // What cannot be removed is in nobody's way: the next one uses it.
        if let Some(list) = &self.list {
            drop(self.depot.remove(list));
        }
        if self.names.is_empty() {
            return;
        }
        self.names.sort_unstable();
        let (depot, names) = (&self.depot, &self.names);
        let gone = depot.below(BLOBS, &mut |name| {
            let is_fresh = last(name).is_some_and(|it| names.binary_search(&it).is_ok());
            if is_fresh { depot.remove(name) } else { Ok(()) }
        });
        drop(gone);
    }
}

/// What was new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(crate) struct Stored {
    /// Files of the media that were stored.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Files of the media that were there already.
    pub(crate) known: u64,
}

impl Blobs {
    /// Makes ready for a backup `name`; the key has to be there before the secrets are read.
    pub(crate) fn begin(
        data: &DataDir,
        depot: Depot,
        name: &str,
        to: Option<&To>,
    ) -> Result<Self, Error> {
        let naming = match to {
            None => Naming::plain(),
            Some(to) => Naming::of(identity(data, to)?).map_err(|why| sealing(&why))?,
        };
        let index = data.cache().join("backup-media.jsonl");
        files::private_folder(&data.cache())?;
        let there = match &depot {
            Depot::Folder(_) => None,
            Depot::Bucket(_) => Some(all(&depot)?),
        };
        let list = list_of(name);
        let names = depot.replace(&list)?;
        let mut names = Encoder::new(names, 3).map_err(Error::Write)?;
        // Who trusts an altered one removes what is needed.
        names.include_checksum(true).map_err(Error::Write)?;
        let fresh = Fresh { depot: depot.clone(), names: Vec::new(), list: None };
        Ok(Self {
            depot,
            naming,
            there,
            old: Index::open(&index),
            new: Growing::beside(&index, files::PRIVATE)?,
            names,
            list,
            stored: Stored::default(),
            fresh,
        })
    }

    /// Stores a file unless its content is there; its line in the archive. None where it is gone by now.
    pub(super) fn keep(&mut self, found: &Found) -> Result<Option<Entry>, Error> {
        let failed = |error| files::Error::io("read", &found.path)(error);
        let mut file = match files::open(&found.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let about = file.metadata().map_err(failed)?;
        let mut known = Known {
            name: found.name.clone(),
            size: about.len(),
            inode: about.ino(),
            changed: i128::from(about.ctime()) * 1_000_000_000 + i128::from(about.ctime_nsec()),
            sha256: String::new(),
        };
        known.sha256 = match self.old.find(&found.name) {
            Some(old) if (Known { sha256: String::new(), ..old.clone() }) == known => old.sha256,
            _ => {
                let (sum, size) = summed(&mut file).map_err(failed)?;
                if size != known.size {
                    return Err(Error::Changes(found.path.clone()));
                }
                io::Seek::rewind(&mut file).map_err(failed)?;
                sum
            }
        };
        let place = self.naming.place(&known.sha256);
        let mut is_new = false;
        let is_there = if let Some(there) = &self.there {
            last(&place).is_some_and(|name| there.binary_search(&name).is_ok())
        } else {
            let size = self.depot.size(&place)?;
            // One of another size is damaged, and others may need it.
            is_new = size.is_none();
            size == Some(self.naming.size(known.size))
        };
        if is_there {
            self.stored.known += 1;
        } else {
            self.store(&place, &mut file, &found.path)?;
            self.fresh.names.extend(last(&place).filter(|_| is_new));
            self.stored.files += 1;
            self.stored.bytes += known.size;
        }
        let line = serde_json::to_string(&known).unwrap_or_default() + "\n";
        self.new.write(line.as_bytes())?;
        let name = place.rsplit('/').next().unwrap_or_default();
        writeln!(self.names, "{name}").map_err(Error::Write)?;
        let Known { sha256, size, name, .. } = known;
        Ok(Some(Entry { sha256, size, mode: found.mode, name }))
    }

    fn store(&mut self, place: &str, file: &mut File, path: &Path) -> Result<(), Error> {
        let to =
            self.naming.0.as_ref().map(|(_, recipient, _)| To::Recipients(vec![recipient.clone()]));
        let output = self.depot.replace(place)?;
        let mut coat = Coat::new(output, to.as_ref()).map_err(Error::Write)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk).map_err(files::Error::io("read", path))?;
            if read == 0 {
                break;
            }
            coat.write_all(&chunk[..read]).map_err(Error::Write)?;
        }
        coat.off().map_err(Error::Write)?.finish()?;
        Ok(())
    }

    /// Writes the list beside the archive, which is to get its name next; only then what was stored may stay.
    pub(crate) fn finish(self) -> Result<(Stored, Fresh), Error> {
        let Self { depot, new, names, list, stored, mut fresh, .. } = self;
        depot.settle()?;
        names.finish().map_err(Error::Write)?.finish()?;
        fresh.list = matches!(depot, Depot::Folder(_)).then_some(list);
        new.finish()?;
        Ok((stored, fresh))
    }
}

fn sealing(why: &age::Error) -> Error {
    Error::Write(io::Error::other(why.to_string()))
}

/// The SHA-256 of what is read, in hexadecimal digits, and how many bytes there were.
fn summed(from: &mut impl Read) -> io::Result<(String, u64)> {
    let (mut sum, mut size, mut chunk) = (Sum::new(&SHA256), 0, vec![0; CHUNK]);
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            return Ok((HEXLOWER.encode(sum.finish().as_ref()), size));
        }
        sum.update(&chunk[..read]);
        size += read as u64;
    }
}

/// What was known, in the order in which the media are found.
struct Index {
    lines: Option<io::Lines<BufReader<File>>>,
    next: Option<Known>,
}

impl Index {
    fn open(path: &Path) -> Self {
        let lines = files::open(path).ok().map(|file| BufReader::new(file).lines());
        let mut index = Self { lines, next: None };
        index.go_on();
        index
    }

    fn go_on(&mut self) {
        let line = self.lines.as_mut().and_then(Iterator::next).and_then(Result::ok);
        // One that cannot be read is the last: all that follows is read anew.
        self.next = line.and_then(|line| serde_json::from_str(&line).ok());
    }

    fn find(&mut self, name: &Path) -> Option<Known> {
        while self.next.as_ref().is_some_and(|next| *next.name < *name) {
            self.go_on();
        }
        self.next.clone().filter(|next| next.name == name)
    }
}

/// The name of the list that belongs to an archive.
pub(super) fn list_of(archive: &str) -> String {
    let stem = stem(archive).unwrap_or(archive);
    format!("{}{NAMES}", stem.strip_suffix(MARK).unwrap_or(stem))
}

/// Whether an archive needs blobs, by its name.
pub(crate) fn is_incremental(archive: &str) -> bool {
    stem(archive).is_some_and(|stem| stem.ends_with(MARK))
}

/// The names of all there are, in their order.
fn all(depot: &Depot) -> Result<Vec<u128>, Error> {
    let mut found = Vec::new();
    depot.below(BLOBS, &mut |name| {
        found.extend(last(name));
        Ok(())
    })?;
    found.sort_unstable();
    Ok(found)
}

/// Where one with this name lies.
pub(super) fn place(name: &str) -> String {
    format!("{BLOBS}/{}/{name}", name.get(..2).unwrap_or_default())
}

/// What the name of a blob ends with.
pub(super) fn last(name: &str) -> Option<u128> {
    short(name.rsplit('/').next()?)
}

/// Enough of a name to tell it from others.
pub(super) fn short(name: &str) -> Option<u128> {
    u128::from_str_radix(name.get(..32)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data folder with these files, and a depot.
    fn made(contents: &[(&str, &[u8])]) -> (tempfile::TempDir, DataDir, Depot) {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().join("data"));
        data.create().unwrap();
        for (name, content) in contents {
            let path = data.media().join(name);
            files::private_folder(path.parent().unwrap()).unwrap();
            files::write_atomically(&path, content, files::PRIVATE).unwrap();
        }
        let depot = Depot::Folder(folder.path().join("depot"));
        files::private_folder(&folder.path().join("depot")).unwrap();
        (folder, data, depot)
    }

    /// Stores all media for a backup of this name.
    fn stored(data: &DataDir, depot: &Depot, name: &str, to: Option<&To>) -> (Vec<Entry>, Stored) {
        let mut blobs = Blobs::begin(data, depot.clone(), name, to).unwrap();
        let mut entries = Vec::new();
        crate::backup::media_of(data, &mut Vec::new(), &mut |found| {
            entries.extend(blobs.keep(&found)?);
            Ok::<_, Error>(())
        })
        .unwrap();
        let (stored, fresh) = blobs.finish().unwrap();
        fresh.stay();
        depot.create(name).unwrap().finish().unwrap();
        (entries, stored)
    }

    fn blobs_in(depot: &Depot) -> Vec<String> {
        let mut found = Vec::new();
        depot
            .below(BLOBS, &mut |name| {
                found.push(name.to_owned());
                Ok(())
            })
            .unwrap();
        found
    }

    #[test]
    fn what_was_stored_once_is_neither_stored_nor_read_again() {
        let (_folder, data, depot) =
            made(&[("local_content/aa/1", b"one"), ("local_content/bb/2", b"two")]);
        let (entries, first) = stored(&data, &depot, "x-1.inc.tar.zst", None);
        assert_eq!((first.files, first.bytes, first.known), (2, 6, 0));
        let place = Naming::plain().place(&entries[0].sha256);
        assert_eq!(depot.path(&place), depot.path(&format!("blobs/76/{}", entries[0].sha256)));
        // What is known is not read: another content with the same size, time and inode is not seen.
        let path = data.media().join("local_content/cc/3");
        files::private_folder(path.parent().unwrap()).unwrap();
        files::write_atomically(&path, b"one", files::PRIVATE).unwrap();
        let index = data.cache().join("backup-media.jsonl");
        let known = files::read(&index).unwrap().replace(&entries[0].sha256, &entries[1].sha256);
        files::write_atomically(&index, known.as_bytes(), files::PRIVATE).unwrap();
        let (entries, second) = stored(&data, &depot, "x-2.inc.tar.zst", None);
        assert_eq!((second.files, second.known), (0, 3), "the third has the content of the first");
        assert_eq!(entries[0].sha256, entries[1].sha256);
        // What is not known any more is read again.
        files::remove(&index).unwrap();
        let (entries, third) = stored(&data, &depot, "x-3.inc.tar.zst", None);
        assert_eq!((third.files, third.known), (0, 3));
        assert_eq!(entries[0].sha256, entries[2].sha256);
    }

    #[test]
    fn what_a_run_stored_goes_with_it_and_nothing_else_does() {
        let (_folder, data, depot) =
            made(&[("local_content/aa/1", b"one"), ("local_content/bb/2", b"two")]);
        stored(&data, &depot, "x-1.inc.tar.zst", None);
        let before = blobs_in(&depot);
        // Another needs it, and it is damaged.
        files::write_atomically(&depot.path(&before[0]), b"", files::PRIVATE).unwrap();
        let path = data.media().join("local_content/cc/3");
        files::private_folder(path.parent().unwrap()).unwrap();
        files::write_atomically(&path, b"three", files::PRIVATE).unwrap();
        let begun = || {
            let mut blobs = Blobs::begin(&data, depot.clone(), "x-2.inc.tar.zst", None).unwrap();
            crate::backup::media_of(&data, &mut Vec::new(), &mut |found| {
                blobs.keep(&found).map(drop)
            })
            .unwrap();
            assert_eq!(blobs_in(&depot).len(), 3);
            blobs
        };
        // Given up half-way, and when all but the archive was there.
        drop(begun());
        assert_eq!(blobs_in(&depot), before);
        drop(begun().finish().unwrap());
        assert_eq!(blobs_in(&depot), before);
        let lists: Vec<String> = depot.names().unwrap().into_iter().map(|it| it.0).collect();
        assert_eq!(lists, ["x-1.blobs.zst", "x-1.inc.tar.zst"]);
        assert_eq!(depot.size(&before[0]).unwrap(), Some(3));
    }

    #[test]
    fn a_name_that_is_no_text_is_a_list_of_bytes() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = PathBuf::from(std::ffi::OsStr::from_bytes(b"local_content/\xff\n"));
        let entry = Entry { sha256: "a".into(), size: 1, mode: 0o600, name };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        let plain = Entry { name: "a\nb".into(), ..entry };
        let text = serde_json::to_string(&plain).unwrap();
        assert!(text.ends_with("\"name\":\"a\\nb\"}"), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), plain);
    }

    #[test]
    fn encrypted_ones_say_nothing_by_their_names_and_have_a_new_key_for_other_readers() {
        let (_folder, data, depot) = made(&[("local_content/aa/1", b"one")]);
        let to = |identity: &Identity| To::Recipients(vec![identity.recipient()]);
        let (one, other) = (Identity::generate(), Identity::generate());
        let (entries, first) = stored(&data, &depot, "x-1.inc.tar.zst.age", Some(&to(&one)));
        let (_, second) = stored(&data, &depot, "x-2.inc.tar.zst.age", Some(&to(&one)));
        assert_eq!((first.files, second.files), (1, 0));
        let names = blobs_in(&depot);
        assert!(
            !names[0].contains(&entries[0].sha256) && names[0].ends_with(age::SUFFIX),
            "{names:?}"
        );
        let key = files::read(&data.secret(KEY)).unwrap();
        let naming = Naming::of(Identity::in_text(&key).unwrap()).unwrap();
        let mut content = Vec::new();
        let mut opened = naming.open(&depot, &entries[0], Path::new("x")).unwrap();
        opened.read_to_end(&mut content).unwrap();
        assert_eq!(content, b"one");
        let (_, third) = stored(&data, &depot, "x-3.inc.tar.zst.age", Some(&to(&other)));
        assert_eq!(third.files, 1);
    }
}
