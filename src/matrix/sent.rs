//! Where given transaction ids have led: Dendrite forgets them, and of an event that was taken away nothing says with
//! which id it was sent. A line for each, in a few files below `sent` in the data folder; the oldest are forgotten.

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::HEXLOWER;
use ruma::{EventId, OwnedEventId, RoomId, TransactionId, UserId};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::{data_dir::DataDir, files, process::Lock};

/// Messages with other ids seldom wait for each other.
const FILES: u64 = 64;
/// From this size on, in bytes, the older half of a file is forgotten: all of them know some 100,000 ids.
const LARGEST: usize = 256 << 10;
/// Stands for an event where nothing was heard of it yet, and where there is none.
const BEGUN: &str = "-";
const NONE: &str = "!";

/// What is known of an id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was not sent from here.
    Never,
    /// It was sent then, and what became of it was not heard.
    Begun(SystemTime),
    Event(OwnedEventId),
}

/// One id, which nobody else sends with as long as this is there.
pub(super) struct Turn {
    path: PathBuf,
    key: String,
    _lock: Lock,
}

impl Turn {
    /// Waits until no other of ours sends with this id.
    pub(super) async fn take(
        data: &DataDir,
        (user, room, event_type): (&UserId, &RoomId, &str),
        transaction: &TransactionId,
        until: Instant,
    ) -> Result<Self, files::Error> {
        let mut hash = Sha256::new();
        for part in [user.as_str(), room.as_str(), event_type, transaction.as_str()] {
            hash.update(part);
            hash.update([0]);
        }
        let key = HEXLOWER.encode(&hash.finalize()[..16]);
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let number = hasher.finish() % FILES;
        files::private_folder(&data.run())?;
        files::private_folder(&data.sent())?;
        let lock = data.run().join(format!("once-{number}.lock"));
        let lock = Lock::acquire(&lock, "a message", until, &mut |_| ()).await?;
        Ok(Self { path: data.sent().join(number.to_string()), key, _lock: lock })
    }

    pub(super) fn known(&self) -> Result<Known, files::Error> {
        let text = files::read_made(&self.path)?.unwrap_or_default();
        let mine = |line: &&str| line.starts_with(&self.key);
        // A last line without its end was cut off: what it would have said is not known.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let Some(line) = whole.lines().rev().find(mine) else { return Ok(Known::Never) };
        let mut words = line.split(' ').skip(1);
        let at = words.next().and_then(|at| at.parse().ok()).map(Duration::from_secs);
        Ok(match (at, words.next()) {
            (Some(at), Some(BEGUN)) => Known::Begun(UNIX_EPOCH + at),
            (_, Some(word)) => match EventId::parse(word) {
                Ok(event) => Known::Event(event),
                Err(_) => Known::Never,
            },
            _ => Known::Never,
        })
    }

    /// Notes that it is about to be sent.
    pub(super) fn begin(&self) -> Result<(), files::Error> {
        let text = files::read_made(&self.path)?.unwrap_or_default();
        if text.len() > LARGEST {
            let lines: Vec<&str> = text.lines().collect();
            let kept = lines[lines.len() / 2..].join("\n") + "\n";
            files::write_atomically(&self.path, kept.as_bytes(), files::PRIVATE)?;
        } else if !text.is_empty() && !text.ends_with('\n') {
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            files::write_atomically(&self.path, format!("{whole}\n").as_bytes(), files::PRIVATE)?;
        }
        self.write(BEGUN)
    }

    /// Notes what became of it: an event, or that the server refused it.
    pub(super) fn end(&self, event: Option<&EventId>) {
        // What is not noted is looked for at the server.
        if let Err(error) = self.write(event.map_or(NONE, EventId::as_str)) {
            tracing::warn!("what became of a message is not noted: {error}");
        }
    }

    fn write(&self, word: impl fmt::Display) -> Result<(), files::Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let line = format!("{} {now} {word}\n", self.key);
        let written =
            files::append(&self.path).and_then(|mut file| file.write_all(line.as_bytes()));
        written.map_err(files::Error::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use ruma::{event_id, room_id, user_id};

    use super::*;

    async fn turn(data: &DataDir, id: &str) -> Turn {
        let whose = (user_id!("@a:x"), room_id!("!r:x"), "m.room.message");
        let until = Instant::now() + Duration::from_secs(5);
        Turn::take(data, whose, id.into(), until).await.unwrap()
    }

    #[tokio::test]
    async fn an_id_is_known_with_what_became_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let one = turn(&data, "one").await;
        assert_eq!(one.known().unwrap(), Known::Never);
        one.begin().unwrap();
        assert!(matches!(one.known().unwrap(), Known::Begun(_)));
        one.end(None);
        assert_eq!(one.known().unwrap(), Known::Never);
        one.begin().unwrap();
        one.end(Some(event_id!("$e")));
        assert_eq!(one.known().unwrap(), Known::Event(event_id!("$e").to_owned()));
        drop(one);
        assert_eq!(turn(&data, "two").await.known().unwrap(), Known::Never);
    }

    #[tokio::test]
    async fn a_line_that_was_cut_off_and_old_ones_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let one = turn(&data, "one").await;
        one.begin().unwrap();
        let text = files::read(&one.path).unwrap();
        let cut = format!("{text}{} 17", one.key);
        files::write_atomically(&one.path, cut.as_bytes(), files::PRIVATE).unwrap();
        assert!(matches!(one.known().unwrap(), Known::Begun(_)));
        one.begin().unwrap();
        one.end(Some(event_id!("$e")));
        assert_eq!(one.known().unwrap(), Known::Event(event_id!("$e").to_owned()));
        let old = "0 1 $a\n".repeat(LARGEST / 7 + 1) + &files::read(&one.path).unwrap();
        files::write_atomically(&one.path, old.as_bytes(), files::PRIVATE).unwrap();
        one.begin().unwrap();
        assert!(files::read(&one.path).unwrap().len() < LARGEST);
        assert!(matches!(one.known().unwrap(), Known::Begun(_)));
    }
}
