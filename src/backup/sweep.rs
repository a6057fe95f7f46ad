//! What goes with a backup: the media beside it that no other backup needs. All the others are looked at before
//! anything is removed, and where it is not known what one of them needs, no media are.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, BufReader},
};

use zstd::Decoder;

use super::{
    BLOBS, Depot, Error, Source,
    blobs::{NAMES, is_incremental, last, list_of, place, short},
    read::Reader,
    stem,
};
use crate::age::Keys;

/// What was removed with an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) files: u64,
    /// Of how many archives it is not known what they need, so that nothing could be removed.
    pub(crate) unlisted: u64,
}

/// What may go.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    needed: Vec<u128>,
    /// The lists that belong to no archive.
    lists: Vec<String>,
    unlisted: u64,
}

/// What is known of an archive without a key.
enum Kind {
    Whole,
    Incremental,
    /// None of ours.
    Foreign,
    Sealed,
    Unreadable,
}

fn kind(source: &Source) -> Kind {
    match Reader::open(source, &Keys::default()).and_then(Reader::manifest) {
        Ok(manifest) if manifest.media_apart.is_some() => Kind::Incremental,
        Ok(_) => Kind::Whole,
        Err(Error::Foreign(_)) => Kind::Foreign,
        Err(Error::Sealed { .. }) => Kind::Sealed,
        Err(_) => Kind::Unreadable,
    }
}

/// Whether an archive needs media beside it: as it says itself, else as its list and its name do.
pub(crate) fn needs_media(source: &Source) -> Result<bool, Error> {
    match kind(source) {
        Kind::Incremental => Ok(true),
        Kind::Whole => Ok(false),
        Kind::Foreign | Kind::Sealed | Kind::Unreadable => {
            let list = list_of(&source.name);
            Ok(is_incremental(&source.name) || source.depot.size(&list)?.is_some())
        }
    }
}

/// Looks what may go with an archive. Nobody may be making a backup there. `is_given` tells whether a name is one that
/// this program gave.
pub(crate) fn plan(source: &Source, is_given: &dyn Fn(&str) -> bool) -> Result<Plan, Error> {
    let Source { depot, name: goes } = source;
    let names: BTreeSet<String> = depot.names()?.into_iter().map(|(name, _)| name).collect();
    let mut lists: BTreeSet<&str> =
        names.iter().map(String::as_str).filter(|name| name.ends_with(NAMES)).collect();
    let mut plan = Plan::default();
    // Of one that is encrypted only its name says whether it needs media, and somebody may have changed that.
    let mut has_sealed = false;
    let is_archive = |name: &&String| stem(name).is_some() && !name.starts_with('.');
    for name in names.iter().filter(is_archive).filter(|name| *name != goes) {
        let (list, source) = (list_of(name), Source { depot: depot.clone(), name: name.clone() });
        let is_listed = names.contains(&list);
        let kind = kind(&source);
        if matches!(kind, Kind::Whole) {
            continue;
        }
        lists.remove(&*list);
        let is_known = match kind {
            _ if is_listed && plan.read(depot, &list) => true,
            Kind::Incremental => plan.ask(&source),
            _ if is_listed || is_incremental(name) => false,
            Kind::Sealed => {
                has_sealed = true;
                is_given(name)
            }
            Kind::Whole | Kind::Foreign => true,
            Kind::Unreadable => false,
        };
        plan.unlisted += u64::from(!is_known);
    }
    let own = list_of(goes);
    for list in lists {
        // It may be that of one that was given another name.
        if list == own || !has_sealed {
            plan.lists.push(list.to_owned());
        } else if !plan.read(depot, list) {
            plan.unlisted += 1;
        }
    }
    if plan.unlisted > 0 {
        plan.lists.retain(|list| *list == own);
    }
    plan.needed.sort_unstable();
    plan.needed.dedup();
    Ok(plan)
}

impl Plan {
    /// Notes what a list names; false where it cannot be read.
    fn read(&mut self, depot: &Depot, list: &str) -> bool {
        let before = self.needed.len();
        let read = each(depot, list, &mut |name| self.needed.extend(short(name)));
        if read.is_err() {
            self.needed.truncate(before);
        }
        read.is_ok()
    }

    /// Notes what an archive needs as it says itself; false where it cannot be read.
    fn ask(&mut self, source: &Source) -> bool {
        let before = self.needed.len();
        let read = Reader::open(source, &Keys::default())
            .and_then(|reader| reader.places(&mut |place| self.needed.extend(last(place))));
        if read.is_err() {
            self.needed.truncate(before);
        }
        read.is_ok()
    }

    /// Removes what may go.
    pub(crate) fn sweep(self, depot: &Depot) -> Result<Swept, Error> {
        let Self { needed, lists, unlisted } = self;
        for list in lists {
            depot.remove(&list)?;
        }
        let mut swept = Swept { files: 0, unlisted };
        if unlisted > 0 {
            return Ok(swept);
        }
        depot.below(BLOBS, &mut |name| {
            let is_needed = last(name).is_some_and(|it| needed.binary_search(&it).is_ok());
            if !is_needed {
                depot.remove(name)?;
                swept.files += 1;
            }
            Ok(())
        })?;
        Ok(swept)
    }
}

/// The names in a list. One that was written has an end, even where it names nothing.
fn each(depot: &Depot, list: &str, found: &mut dyn FnMut(&str)) -> io::Result<()> {
    let failed = |error: Error| io::Error::other(error.to_string());
    let (content, size) = depot.open(list).map_err(failed)?;
    if size == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for line in BufReader::new(Decoder::new(content)?).lines() {
        let line = line?;
        if short(&line).is_none() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        found(&line);
    }
    Ok(())
}

/// How large the media beside an archive are, in bytes, as far as its list says it; nothing in a bucket, where each would
/// have to be asked for.
pub(crate) fn media_size(source: &Source) -> u64 {
    let Source { depot, name } = source;
    let mut all = 0;
    if matches!(depot, Depot::Folder(_)) {
        // Where it cannot be read, what takes the backup back says so.
        drop(each(depot, &list_of(name), &mut |name| {
            all += depot.size(&place(name)).ok().flatten().unwrap_or_default();
        }));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        age::{Identity, To},
        backup::{
            Found,
            blobs::Blobs,
            manifest::{Apart, Manifest},
            write::Writer,
        },
        data_dir::DataDir,
        files,
    };

    struct Place {
        _folder: tempfile::TempDir,
        data: DataDir,
        depot: Depot,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let data = DataDir::new(folder.path().join("data"));
            data.create().unwrap();
            let depot = folder.path().join("depot");
            files::private_folder(&depot).unwrap();
            Self { _folder: folder, data, depot: Depot::Folder(depot) }
        }

        /// A backup of exactly these files of the media.
        fn made(&self, name: &str, media: &[&str], to: Option<&To>) -> Source {
            let depot = &self.depot;
            let is_apart = is_incremental(name);
            let apart = if to.is_some() { Apart::Encrypted } else { Apart::Plain };
            let manifest = Manifest {
                media_apart: is_apart.then_some(apart),
                ..crate::backup::read::tests::manifest()
            };
            let blobs = || Blobs::begin(&self.data, depot.clone(), name, to).unwrap();
            let mut blobs = is_apart.then(blobs);
            let mut writer = Writer::create(depot.create(name).unwrap(), to, &manifest).unwrap();
            for name in media {
                let path = self.data.media().join(name);
                files::private_folder(path.parent().unwrap()).unwrap();
                files::write_atomically(&path, name.as_bytes(), files::PRIVATE).unwrap();
                let found = Found { path, name: name.into(), mode: 0o600 };
                match &mut blobs {
                    Some(blobs) => writer.beside(&found, blobs).unwrap(),
                    None => writer.file(&found, true).unwrap(),
                };
            }
            if let Some(blobs) = blobs {
                blobs.finish().unwrap().1.stay();
            }
            writer.finish().unwrap();
            self.named(name)
        }

        fn named(&self, name: &str) -> Source {
            Source { depot: self.depot.clone(), name: name.into() }
        }

        fn renamed(&self, from: &str, to: &str) {
            std::fs::rename(self.depot.path(from), self.depot.path(to)).unwrap();
        }

        fn put(&self, name: &str, content: &[u8]) {
            files::write_atomically(&self.depot.path(name), content, files::PRIVATE).unwrap();
        }

        /// As `backup remove` does it.
        fn removed(&self, name: &str) -> Swept {
            let is_given = |name: &str| name.starts_with("x-");
            let plan = plan(&self.named(name), &is_given).unwrap();
            self.depot.remove(name).unwrap();
            plan.sweep(&self.depot).unwrap()
        }

        fn blobs(&self) -> usize {
            let mut count = 0;
            self.depot
                .below(BLOBS, &mut |_| {
                    count += 1;
                    Ok(())
                })
                .unwrap();
            count
        }
    }

    fn sealed() -> To {
        To::Recipients(vec![Identity::generate().recipient()])
    }

    #[test]
    fn what_no_backup_needs_goes_with_the_last_one_that_did() {
        let place = Place::new();
        place.made("x-1.inc.tar.zst", &["a", "b"], None);
        place.made("x-2.inc.tar.zst", &["b"], None);
        place.made("x-3.tar.zst", &["c"], None);
        place.made("x-4.tar.zst.age", &["c"], Some(&sealed()));
        assert_eq!(place.removed("x-0.inc.tar.zst"), Swept::default());
        // What one left that was killed.
        files::private_folder(&place.depot.path("blobs/aa")).unwrap();
        place.put(&format!("blobs/aa/{}", "a".repeat(64)), b"half");
        assert_eq!(place.removed("x-1.inc.tar.zst"), Swept { files: 2, unlisted: 0 });
        assert_eq!(place.depot.size("x-1.blobs.zst").unwrap(), None);
        assert_eq!(place.removed("x-2.inc.tar.zst"), Swept { files: 1, unlisted: 0 });
        assert_eq!(place.blobs(), 0);
    }

    #[test]
    fn one_that_was_given_another_name_keeps_what_it_needs() {
        let place = Place::new();
        place.made("x-1.inc.tar.zst", &["a", "b"], None);
        place.made("x-2.inc.tar.zst", &["b"], None);
        place.renamed("x-2.inc.tar.zst", "keep.tar.zst");
        assert_eq!(place.removed("x-1.inc.tar.zst"), Swept { files: 1, unlisted: 0 });
        let keep = place.named("keep.tar.zst");
        assert!(needs_media(&keep).unwrap());
        Reader::open(&keep, &Keys::default()).unwrap().check().unwrap();
        assert_eq!(place.removed("keep.tar.zst").files, 1);
    }

    #[test]
    fn an_encrypted_one_that_was_given_another_name_keeps_what_its_list_names() {
        let to = sealed();
        for (name, unlisted) in [("x-9.tar.zst.age", 0), ("keep.tar.zst.age", 1)] {
            let place = Place::new();
            place.made("x-1.inc.tar.zst.age", &["a", "b"], Some(&to));
            place.made("x-2.inc.tar.zst.age", &["b"], Some(&to));
            place.renamed("x-2.inc.tar.zst.age", name);
            let files = u64::from(unlisted == 0);
            assert_eq!(place.removed("x-1.inc.tar.zst.age"), Swept { files, unlisted }, "{name}");
            assert_eq!(place.depot.size("x-1.blobs.zst").unwrap(), None);
            assert!(place.depot.size("x-2.blobs.zst").unwrap().is_some());
        }
        // Its list came along.
        let place = Place::new();
        place.made("x-1.inc.tar.zst.age", &["a", "b"], Some(&to));
        place.made("x-2.inc.tar.zst.age", &["b"], Some(&to));
        place.renamed("x-2.inc.tar.zst.age", "keep.tar.zst.age");
        place.renamed("x-2.blobs.zst", "keep.blobs.zst");
        assert_eq!(place.removed("x-1.inc.tar.zst.age"), Swept { files: 1, unlisted: 0 });
        assert!(needs_media(&place.named("keep.tar.zst.age")).unwrap());
    }

    #[test]
    fn a_list_that_cannot_be_read_is_asked_of_the_archive_and_else_nothing_goes() {
        for garbage in [&b"garbage"[..], b"", &zstd::encode_all(&b"no name\n"[..], 1).unwrap()] {
            let place = Place::new();
            place.made("x-1.inc.tar.zst", &["a", "b"], None);
            place.made("x-2.inc.tar.zst", &["b"], None);
            place.put("x-2.blobs.zst", garbage);
            assert_eq!(place.removed("x-1.inc.tar.zst"), Swept { files: 1, unlisted: 0 });
            // Its list was as good as its archive.
            place.made("x-3.inc.tar.zst", &["c"], None);
            let path = place.depot.path("x-2.inc.tar.zst");
            let whole = std::fs::read(&path).unwrap();
            place.put("x-2.inc.tar.zst", &whole[..whole.len() - 9]);
            assert_eq!(place.removed("x-3.inc.tar.zst"), Swept { files: 0, unlisted: 1 });
            assert_eq!(place.blobs(), 2);
            place.made("x-4.inc.tar.zst.age", &[], Some(&sealed()));
            place.put("x-4.blobs.zst", garbage);
            assert_eq!(place.removed("x-2.inc.tar.zst").unlisted, 1);
            assert_eq!(place.removed("x-4.inc.tar.zst.age"), Swept { files: 2, unlisted: 0 });
        }
    }

    #[test]
    fn what_lies_there_and_is_no_backup_keeps_nothing() {
        let place = Place::new();
        place.made("x-1.inc.tar.zst", &["a"], None);
        place.put("photos.tar.zst", b"anything");
        place.put(".x-2.inc.tar.zst.1-0123456789abcdef", b"half");
        assert_eq!(place.removed("x-1.inc.tar.zst"), Swept { files: 1, unlisted: 0 });
    }

    #[test]
    fn how_large_the_media_are_is_known_from_the_list() {
        let place = Place::new();
        let source = place.made("x-1.inc.tar.zst", &["a", "four"], None);
        assert_eq!(media_size(&source), 5);
        assert_eq!(media_size(&Source::file(Path::new("/nowhere/a.tar.zst")).unwrap()), 0);
    }
}
