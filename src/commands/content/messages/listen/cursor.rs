//! Where a listener is, in a file: a line of JSON with its place in the stream, and below it the events that
//! came after that place and were handed on. Each is noted as soon as it was, so that a listener that is
//! killed goes on with the next one.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use ruma::UserId;
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

/// A place, and the events after it that were handed on.
pub(super) type Found = (Place, BTreeSet<String>);

pub(super) struct Cursor {
    path: PathBuf,
    file: Option<File>,
    _lock: Lock,
}

impl Cursor {
    /// Takes the file for itself; where it was and what it has handed on since, if it is not new.
    pub(super) fn open(path: &Path, user: &UserId) -> Result<(Self, Option<Found>), Failure> {
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = Lock::try_acquire(Path::new(&lock), "content listen")?;
        let found = match files::read_if_exists(path)?.filter(|text| !text.trim().is_empty()) {
            Some(text) => Some(read(&text, path, user)?),
            None => None,
        };
        let file = if found.is_some() { Some(appended(path)?) } else { None };
        Ok((Self { path: path.to_owned(), file, _lock: lock }, found))
    }

    /// All before that place was handed on.
    pub(super) fn is_at(&mut self, place: &Place) -> Result<(), Error> {
        let line = serde_json::to_string(place).unwrap_or_default() + "\n";
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

fn read(text: &str, path: &Path, user: &UserId) -> Result<Found, Failure> {
    let shown = path.display();
    let mut lines = text.lines();
    let place = lines.next().and_then(|line| serde_json::from_str::<Place>(line).ok());
    let Some(place) = place else {
        return Err(Failure::request(format!("`{shown}` is no cursor of `content listen`"))
            .hinted("name another file; one that is not there yet is made"));
    };
    if place.user_id != user.as_str() {
        let message = format!("the cursor `{shown}` is of {}, and this is {user}", place.user_id);
        return Err(
            Failure::request(message).hinted("name another file, or listen `--as` that user")
        );
    }
    Ok((place, lines.map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_goes_on_after_the_last_event_that_it_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursor");
        let user = UserId::parse("@a:h").unwrap();
        let (mut cursor, found) = Cursor::open(&path, &user).unwrap();
        assert_eq!(found, None);
        let place = Place::new(&user, "s1".to_owned(), Some(5));
        cursor.is_at(&place).unwrap();
        cursor.has_handed_on("$a").unwrap();
        cursor.has_handed_on("$b").unwrap();
        let refused = Cursor::open(&path, &user).err().unwrap().to_string();
        assert!(refused.contains("content listen"), "{refused}");
        drop(cursor);
        let (mut cursor, found) = Cursor::open(&path, &user).unwrap();
        let seen = ["$a", "$b"].map(str::to_owned).into();
        assert_eq!(found, Some((place, seen)));
        cursor.has_handed_on("$c").unwrap();
        let next = Place::new(&user, "s2".to_owned(), None);
        cursor.is_at(&next).unwrap();
        drop(cursor);
        assert_eq!(Cursor::open(&path, &user).unwrap().1, Some((next, BTreeSet::new())));
        let other = UserId::parse("@b:h").unwrap();
        let refused = Cursor::open(&path, &other).err().unwrap().to_string();
        assert!(refused.contains("is of @a:h"), "{refused}");
    }

    #[test]
    fn a_file_that_is_no_cursor_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        files::write_atomically(&path, b"buy milk\n", files::PRIVATE).unwrap();
        let user = UserId::parse("@a:h").unwrap();
        assert!(Cursor::open(&path, &user).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "buy milk\n");
    }
}
