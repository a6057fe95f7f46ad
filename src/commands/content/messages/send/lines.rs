//! Messages from a file, a line each: what they are, and the transaction ids with which a repeat of a file
//! that was sent in part sends only the rest.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use ruma::{OwnedTransactionId, RoomId, TransactionId};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{data_dir::DataDir, error::Failure, files, matrix::session::Session};

/// The lines of a file with their numbers, however they end; blank ones are no messages.
pub(super) fn lines(path: &Path, patience: Duration) -> Result<Vec<(usize, String)>, Failure> {
    let text = files::read_input(path, patience)?;
    if text.contains('\0') {
        return Err(Failure::request(format!("`{}` contains a NUL byte", path.display())));
    }
    let lines = messages(&text);
    if lines.is_empty() {
        return Err(Failure::request(format!("`{}` has no line", path.display()))
            .hinted("each line of it is a message; blank ones are none"));
    }
    Ok(lines)
}

fn messages(text: &str) -> Vec<(usize, String)> {
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    numbered.map(|(number, line)| (number, line.to_owned())).collect()
}

/// A note that a file is being sent, until all of it was. Whoever sends the same messages as the same
/// device to the same rooms meanwhile, or after the first was interrupted, gets the same ids; the file that
/// was sent whole may be sent again.
pub(super) struct Unfinished {
    note: PathBuf,
    base: OwnedTransactionId,
}

impl Unfinished {
    /// None where it cannot be noted: then the ids are good for this time alone.
    pub(super) fn of<'a>(
        data: &DataDir,
        session: &Session,
        messages: impl Iterator<Item = (&'a RoomId, &'a Value)>,
    ) -> Option<Self> {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update(part);
            hash.update([0]);
        };
        add(session.user_id.as_str());
        add(&session.device_id);
        for (room, content) in messages {
            add(room.as_str());
            add(&content.to_string());
        }
        let name = HEXLOWER.encode(&hash.finalize()[..16]);
        let note = data.cache().join("unfinished").join(&name);
        files::private_folder(note.parent()?).ok()?;
        // Whole from the start, and the first of two at once has it.
        let own = note.with_extension(std::process::id().to_string());
        let new = TransactionId::new();
        files::write_atomically(&own, new.as_str().as_bytes(), files::PRIVATE).ok()?;
        drop(std::fs::hard_link(&own, &note));
        files::remove(&own).ok()?;
        let salt = files::read_if_exists(&note).ok()??;
        let base = HEXLOWER.encode(&Sha256::digest(format!("{name} {salt}"))[..16]);
        Some(Self { note, base: base.into() })
    }

    pub(super) fn base(&self) -> &TransactionId {
        &self.base
    }

    /// All was sent.
    pub(super) fn finished(self) {
        drop(files::remove(&self.note));
    }
}

#[cfg(test)]
mod tests {
    use ruma::room_id;
    use serde_json::json;

    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_lines_of_any_editor_are_messages_and_blank_ones_are_not() {
        let wanted = [(1, "one"), (4, "two "), (6, "three")];
        let wanted = wanted.map(|(number, line)| (number, line.to_owned()));
        assert_eq!(messages("one\r\n\r\n \t\r\ntwo \n\nthree"), wanted);
        assert!(messages("\r\n \n").is_empty());
    }

    #[test]
    fn a_file_keeps_its_ids_until_all_of_it_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let session = |device: &str| Session {
            url: "http://127.0.0.1:1".into(),
            server_name: "x.org".try_into().unwrap(),
            device_id: device.into(),
            user_id: "@a:x.org".try_into().unwrap(),
            access_token: Secret::new("t"),
            dendrite: false,
        };
        let of = |device: &str, room: &RoomId, text: &str| {
            let contents = [json!(text), json!("b")];
            let messages = contents.iter().map(|content| (room, content));
            Unfinished::of(&data, &session(device), messages).unwrap()
        };
        let room = room_id!("!r:x.org");
        let first = of("D", room, "a");
        assert_eq!(first.base(), of("D", room, "a").base());
        for other in [of("E", room, "a"), of("D", room_id!("!s:x.org"), "a"), of("D", room, "c")] {
            assert_ne!(first.base(), other.base());
        }
        let before = first.base().to_owned();
        first.finished();
        assert_ne!(of("D", room, "a").base(), before);
    }
}
