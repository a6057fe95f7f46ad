//! Where a listener is, in a file: a line of JSON with its place in the stream, and below it the events that
//! came after that place and were handed on. Each is noted as soon as it was, so that a listener that is
//! killed goes on with the next one.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use ruma::{OwnedRoomId, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    error::Failure,
    files::{self, Error},
    process::Lock,
};

/// A place in the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    user_id: String,
    pub(super) token: String,
    /// What was said since then, in milliseconds since 1970, and before the token is to come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<i64>,
}

impl Place {
    pub(super) fn new(user: &UserId, token: String, from: Option<i64>) -> Self {
        Self { user_id: user.to_string(), token, from }
    }
}

/// The first line of a cursor.
#[derive(Serialize, Deserialize)]
struct First {
    #[serde(flatten)]
    place: Place,
    /// The rooms that were named; without any it is for all. One of an older version does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rooms: Option<BTreeSet<OwnedRoomId>>,
}

/// A place, and the events after it that were handed on.
pub(super) type Found = (Place, BTreeSet<String>);

pub(super) struct Cursor {
    path: PathBuf,
    file: Option<File>,
    rooms: BTreeSet<OwnedRoomId>,
    /// Those that it was kept for until now.
    before: Option<BTreeSet<OwnedRoomId>>,
    _lock: Lock,
}

impl Cursor {
    /// Takes the file for itself; where it was and what it has handed on since, if it is not new.
    pub(super) fn open(
        path: &Path,
        user: &UserId,
        rooms: &[OwnedRoomId],
    ) -> Result<(Self, Option<Found>), Failure> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let why = format!("there is no folder `{}` for the cursor", folder.display());
            return Err(
                Failure::request(why).hinted(format!("`mkdir -p '{}'` makes it", folder.display()))
            );
        }
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = Lock::try_acquire(Path::new(&lock), "content listen")?;
        let (found, before) =
            match files::read_if_exists(path)?.filter(|text| !text.trim().is_empty()) {
                Some(text) => {
                    let (First { place, rooms }, seen) = read(&text, path, user)?;
                    (Some((place, seen)), rooms)
                }
                None => (None, None),
            };
        let file = if found.is_some() { Some(appended(path)?) } else { None };
        let rooms = rooms.iter().cloned().collect();
        Ok((Self { path: path.to_owned(), file, rooms, before, _lock: lock }, found))
    }

    /// Which rooms it was kept for, where not all of these were among them.
    pub(super) fn was_of(&self) -> Option<String> {
        // Without any it is for all.
        let has_all = |before: &BTreeSet<OwnedRoomId>| {
            before.is_empty() || (!self.rooms.is_empty() && self.rooms.is_subset(before))
        };
        let before = self.before.as_ref().filter(|before| !has_all(before))?;
        Some(before.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", "))
    }

    /// It is for that room as well.
    pub(super) fn is_for(&mut self, room: &OwnedRoomId) {
        self.rooms.insert(room.clone());
    }

    /// All before that place was handed on.
    pub(super) fn is_at(&mut self, place: &Place) -> Result<(), Error> {
        let first = First { place: place.clone(), rooms: Some(self.rooms.clone()) };
        let line = serde_json::to_string(&first).unwrap_or_default() + "\n";
        files::write_atomically(&self.path, line.as_bytes(), files::PRIVATE)?;
        self.file = Some(appended(&self.path)?);
        Ok(())
    }

    /// That event was.
    pub(super) fn has_handed_on(&mut self, event: &str) -> Result<(), Error> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(format!("{event}\n").as_bytes()).map_err(Error::io("write", &self.path))
    }
}

fn appended(path: &Path) -> Result<File, Error> {
    OpenOptions::new().append(true).open(path).map_err(Error::io("open", path))
}

fn read(text: &str, path: &Path, user: &UserId) -> Result<(First, BTreeSet<String>), Failure> {
    let shown = path.display();
    let mut lines = text.lines();
    let first = lines.next().and_then(|line| serde_json::from_str::<First>(line).ok());
    let Some(first) = first else {
        return Err(Failure::request(format!("`{shown}` is no cursor of `content listen`"))
            .hinted("name another file; one that is not there yet is made"));
    };
    if first.place.user_id != user.as_str() {
        let whose = &first.place.user_id;
        let message = format!("the cursor `{shown}` is of {whose}, and this is {user}");
        return Err(
            Failure::request(message).hinted("name another file, or listen `--as` that user")
        );
    }
    Ok((first, lines.map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_goes_on_after_the_last_event_that_it_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursor");
        let user = UserId::parse("@a:h").unwrap();
        let (mut cursor, found) = Cursor::open(&path, &user, &[]).unwrap();
        assert_eq!(found, None);
        let place = Place::new(&user, "s1".to_owned(), Some(5));
        cursor.is_at(&place).unwrap();
        cursor.has_handed_on("$a").unwrap();
        cursor.has_handed_on("$b").unwrap();
        let refused = Cursor::open(&path, &user, &[]).err().unwrap().to_string();
        assert!(refused.contains("content listen"), "{refused}");
        drop(cursor);
        let (mut cursor, found) = Cursor::open(&path, &user, &[]).unwrap();
        let seen = ["$a", "$b"].map(str::to_owned).into();
        assert_eq!(found, Some((place, seen)));
        cursor.has_handed_on("$c").unwrap();
        let next = Place::new(&user, "s2".to_owned(), None);
        cursor.is_at(&next).unwrap();
        drop(cursor);
        assert_eq!(Cursor::open(&path, &user, &[]).unwrap().1, Some((next, BTreeSet::new())));
        let other = UserId::parse("@b:h").unwrap();
        let refused = Cursor::open(&path, &other, &[]).err().unwrap().to_string();
        assert!(refused.contains("is of @a:h"), "{refused}");
    }

    #[test]
    fn a_cursor_that_was_kept_for_other_rooms_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursor");
        let user = UserId::parse("@a:h").unwrap();
        let rooms = ["!a:h", "!b:h"].map(|room| OwnedRoomId::try_from(room).unwrap());
        let was_of = |rooms: &[OwnedRoomId]| {
            let (mut cursor, found) = Cursor::open(&path, &user, rooms).unwrap();
            let place = Place::new(&user, "s1".to_owned(), None);
            assert!(found.is_none_or(|(there, _)| there == place));
            cursor.is_at(&place).unwrap();
            cursor.was_of()
        };
        assert_eq!(was_of(&rooms), None);
        assert_eq!(was_of(&rooms[..1]), None, "it was among them");
        assert_eq!(was_of(&rooms).as_deref(), Some("!a:h"));
        assert_eq!(was_of(&[]).as_deref(), Some("!a:h, !b:h"));
        assert_eq!(was_of(&rooms), None, "they were among all");
        let older = "{\"user_id\":\"@a:h\",\"token\":\"s1\"}\n";
        files::write_atomically(&path, older.as_bytes(), files::PRIVATE).unwrap();
        assert_eq!(was_of(&rooms), None);
    }

    #[test]
    fn a_file_that_is_no_cursor_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        files::write_atomically(&path, b"buy milk\n", files::PRIVATE).unwrap();
        let user = UserId::parse("@a:h").unwrap();
        assert!(Cursor::open(&path, &user, &[]).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "buy milk\n");
    }
}
