//! Which webhooks there are: a file each, mode 0600, that holds the token.

use std::{fs, path::PathBuf};

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::Deserialize;

use super::{Error, formats::Format, refused, template::Template};
use crate::{data_dir::DataDir, files, listener::request, secret::Secret};

const END: &str = ".json";

/// A webhook: whoever has its token says something in its room through its bot.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) user_id: OwnedUserId,
    pub(crate) room_id: OwnedRoomId,
    /// The room as whoever made it called it.
    pub(crate) room: String,
    pub(crate) token: Secret,
    /// How its bodies are read.
    #[serde(default)]
    pub(crate) format: Format,
    /// What its sender signs with, in place of the token.
    #[serde(default)]
    pub(crate) secret: Option<Secret>,
    /// What it shows of a body, where it is not the format's.
    #[serde(default)]
    pub(crate) template: Option<Template>,
}

/// What is to become of something that a webhook may have.
#[derive(Clone, Debug, Default)]
pub(crate) enum Wish<T> {
    #[default]
    Keep,
    Remove,
    Have(T),
}

impl<T> Wish<T> {
    fn apply(self, to: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Remove => *to = None,
            Self::Have(wanted) => *to = Some(wanted),
        }
    }
}

/// What is wanted of a webhook beside its room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) format: Option<Format>,
    pub(crate) secret: Wish<Secret>,
    pub(crate) template: Wish<Template>,
}

impl Wishes {
    /// Whether anything of the webhook is another than before.
    fn apply(self, hook: &mut Hook) -> bool {
        let before = (hook.format, hook.secret.clone(), hook.template.clone());
        hook.format = self.format.unwrap_or(hook.format);
        self.secret.apply(&mut hook.secret);
        self.template.apply(&mut hook.template);
        before != (hook.format, hook.secret.clone(), hook.template.clone())
    }
}

/// What was there of a webhook that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    Absent,
    Other,
    Same,
}

impl Hook {
    /// Whether this is its token.
    pub(crate) fn admits(&self, token: &str) -> bool {
        request::is(token, self.token.expose())
    }

    /// What is said to whoever wants its name for another one.
    /// Whether it speaks as this user in this room, or in the one of that address, which may lead elsewhere since
    /// the room was upgraded.
    pub(crate) fn is_of(&self, user_id: &UserId, room_id: &RoomId, room: &str) -> bool {
        self.user_id == *user_id && (self.room_id == *room_id || self.room == room)
    }

    pub(crate) fn taken(self) -> Error {
        Error::Taken { id: self.id, room: self.room, user: self.user_id.to_string() }
    }

    fn save(&self, data: &DataDir) -> Result<(), Error> {
        files::private_folder(&data.hooks())?;
        let document = serde_json::json!({
            "id": self.id, "user_id": self.user_id, "room_id": self.room_id, "room": self.room,
            "token": self.token.expose(), "format": self.format, "template": self.template,
            "secret": self.secret.as_ref().map(Secret::expose),
        });
        let path = file(data, &self.id);
        Ok(files::write_atomically(&path, document.to_string().as_bytes(), files::PRIVATE)?)
    }
}

pub(crate) fn is_name(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    id.len() <= 64
        && id.starts_with(plain)
        && id.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
}

/// Where a webhook and its token are kept.
pub(crate) fn file(data: &DataDir, id: &str) -> PathBuf {
    data.hooks().join(format!("{id}{END}"))
}

/// Whether there is a webhook of that name, readable or not.
pub(super) fn is_there(data: &DataDir, id: &str) -> bool {
    is_name(id) && file(data, id).exists()
}

/// The webhook of that name, as it is now.
pub(crate) fn find(data: &DataDir, id: &str) -> Result<Option<Hook>, Error> {
    if !is_name(id) {
        return Ok(None);
    }
    let path = file(data, id);
    let Some(text) = files::read_if_exists(&path)? else { return Ok(None) };
    let hook = serde_json::from_str(&text);
    hook.map(Some).map_err(|source| Error::Damaged { id: id.to_owned(), file: path, source })
}

/// The names of all, sorted.
pub(crate) fn names(data: &DataDir) -> Vec<String> {
    let entries = fs::read_dir(data.hooks()).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        let name = entry.file_name().to_str()?.strip_suffix(END)?.to_owned();
        is_name(&name).then_some(name)
    };
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}

/// Makes a webhook, or has the one that is there as it is wanted.
pub(crate) fn ensure(
    data: &DataDir,
    id: &str,
    user_id: &UserId,
    room_id: OwnedRoomId,
    room: &str,
    wishes: Wishes,
) -> Result<(Hook, Was), Error> {
    if !is_name(id) {
        return Err(Error::Name(id.escape_debug().to_string()));
    }
    if let Some(mut found) = find(data, id)? {
        if !found.is_of(user_id, &room_id, room) {
            return Err(found.taken());
        }
        let moved = found.room_id != room_id;
        found.room_id = room_id;
        if !wishes.apply(&mut found) && !moved {
            return Ok((found, Was::Same));
        }
        found.save(data)?;
        return Ok((found, Was::Other));
    }
    let mut hook = Hook {
        id: id.to_owned(),
        user_id: user_id.to_owned(),
        room_id,
        room: room.to_owned(),
        token: Secret::generate(&mut rand::rng()),
        format: Format::Auto,
        secret: None,
        template: None,
    };
    wishes.apply(&mut hook);
    hook.save(data)?;
    Ok((hook, Was::Absent))
}

/// Takes a webhook away; false if there was none. What it took is sent all the same.
pub(crate) fn remove(data: &DataDir, id: &str) -> Result<bool, Error> {
    let path = file(data, id);
    let there = is_name(id) && files::exists(&path)?;
    if there {
        files::remove(&path)?;
        refused::forget(&data.outbox(), id)?;
    }
    Ok(there)
}

/// Takes those away that speak through this bot; their names.
pub(crate) fn remove_of(data: &DataDir, user_id: &UserId) -> Result<Vec<String>, Error> {
    let mut gone = Vec::new();
    for id in names(data) {
        // One that cannot be read is nobody's.
        if find(data, &id).ok().flatten().is_some_and(|hook| hook.user_id == *user_id) {
            remove(data, &id)?;
            gone.push(id);
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{ensure as make, *};

    #[test]
    fn a_webhook_is_made_once_and_goes_with_its_bot() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let (user, other) =
            (UserId::parse("@ci:x.org").unwrap(), UserId::parse("@b:x.org").unwrap());
        let room = || OwnedRoomId::try_from("!r:x.org").unwrap();
        let ensure = |id: &str, user: &UserId, wishes: Wishes| {
            make(&data, id, user, room(), "#builds", wishes)
        };
        let (hook, was) = ensure("ci", &user, Wishes::default()).unwrap();
        assert!(was == Was::Absent && hook.admits(hook.token.expose()) && !hook.admits(""));
        let mode = fs::metadata(file(&data, "ci")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (again, was) = ensure("ci", &user, Wishes::default()).unwrap();
        assert!(was == Was::Same && again.token == hook.token);
        // What is wanted besides is taken up, and stays where nothing is said of it.
        let template = Template::new("t.md".as_ref(), "{{ text }}").unwrap();
        let wishes = Wishes {
            format: Some(Format::Github),
            secret: Wish::Have(Secret::new("s")),
            template: Wish::Have(template.clone()),
        };
        assert_eq!(ensure("ci", &user, wishes.clone()).unwrap().1, Was::Other);
        assert_eq!(ensure("ci", &user, wishes).unwrap().1, Was::Same);
        let (kept, was) = ensure("ci", &user, Wishes::default()).unwrap();
        assert_eq!((kept.format, kept.template, was), (Format::Github, Some(template), Was::Same));
        assert!(kept.token == hook.token && kept.secret == Some(Secret::new("s")));
        let wishes = Wishes { secret: Wish::Remove, ..Wishes::default() };
        assert_eq!(ensure("ci", &user, wishes).unwrap().0.secret, None);
        let taken = ensure("ci", &other, Wishes::default()).unwrap_err().to_string();
        assert_eq!(taken, "the webhook `ci` exists and sends to #builds as @ci:x.org");
        ensure("b", &other, Wishes::default()).unwrap();
        assert_eq!(remove_of(&data, &user).unwrap(), ["ci"]);
        assert_eq!(names(&data), ["b"]);
        assert!(!remove(&data, "ci").unwrap());
    }

    #[test]
    fn a_name_is_no_step_in_a_path() {
        for good in ["ci", "0", "a.b_c-d"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "-a", "a/b", "A", "ä", "a b", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
        let data = DataDir::new("/nowhere".into());
        assert!(find(&data, "../operator").unwrap().is_none());
    }
}
