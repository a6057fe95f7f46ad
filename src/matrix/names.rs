//! What people type for users and rooms, and what it can mean. Pure: nothing here asks the server.

use std::fmt;

use ruma::{OwnedEventId, OwnedRoomAliasId, OwnedRoomId, OwnedUserId, ServerName};

use crate::error::{Explain, Kind};

/// The longest user id or alias, in bytes (Matrix specification, "Common identifier format").
const LONGEST: usize = 255;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{what} must not be empty")]
    Empty { what: What },
    #[error(
        "{what} is too long: {length} bytes where {LONGEST} are allowed, the server's name included"
    )]
    Long { what: What, length: usize },
    #[error(
        "the user name `{name}` must not contain {bad}: only a-z, 0-9 and . _ = - / + are allowed"
    )]
    Letters { name: String, bad: String },
    #[error("`{name}` belongs to another homeserver than `{ours}`")]
    Foreign { name: String, ours: String },
    #[error("{what} `{name}` is not valid: {reason}")]
    Invalid { what: What, name: String, reason: String },
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        Kind::Request
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Letters { .. } => {
                Some("`content list-users` lists those there are; a display name, which `--display-name` gives, may have any letters".into())
            }
            Self::Foreign { ours, .. } => {
                Some(format!("leave the part from the colon out: it is `{ours}`"))
            }
            Self::Empty { what } | Self::Long { what, .. } | Self::Invalid { what, .. } => {
                Some(what.hint().into())
            }
        }
    }
}

/// What a text was to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    UserName,
    User,
    Room,
    Alias,
    Event,
    DisplayName,
    Mime,
}

impl What {
    /// What can be typed there.
    fn hint(self) -> &'static str {
        match self {
            Self::UserName => {
                "a user name is a short word such as `alice`; `content list-users` lists those there are"
            }
            Self::User => "a user of another server is named whole, such as `@alice:example.org`",
            Self::Room => {
                "a room is named by its id, its alias such as `#ops`, or its exact name, and the direct room with a user by `@user`; `content list-rooms` lists those there are"
            }
            Self::Alias => "an alias is a short word without blanks, such as `ops`",
            Self::Event => "`content read-messages ROOM --format json` shows the ids",
            Self::DisplayName => "a display name is one line of at most 256 characters",
            Self::Mime => "leave `--mime` out, and the name of the file says what it is",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserName => "the user name",
            Self::User => "the user",
            Self::Room => "the room",
            Self::Alias => "the alias",
            Self::Event => "the event id",
            Self::DisplayName => "the display name",
            Self::Mime => "the MIME type",
        })
    }
}

/// Shows a character that may be invisible.
fn shown(letter: char) -> String {
    if letter.is_control() || letter.is_whitespace() {
        format!("`{}`", letter.escape_default())
    } else {
        format!("`{letter}`")
    }
}

/// A user of this server: `name`, `@name` or `@name:server`.
pub(crate) fn user(text: &str, server: &ServerName) -> Result<OwnedUserId, Error> {
    let what = What::UserName;
    let bare = text.strip_prefix('@').unwrap_or(text);
    let localpart = match bare.split_once(':') {
        // The name of a host is the same in capitals.
        Some((localpart, host)) if host.eq_ignore_ascii_case(server.as_str()) => localpart,
        _ if text.starts_with('@') && bare.contains(':') => {
            return Err(Error::Foreign { name: text.to_owned(), ours: server.to_string() });
        }
        _ => bare,
    };
    if localpart.is_empty() {
        return Err(Error::Empty { what });
    }
    let length = localpart.len() + server.as_str().len() + 2;
    if length > LONGEST {
        return Err(Error::Long { what, length });
    }
    let bad = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '=' | '-' | '/' | '+');
    if let Some(bad) = localpart.chars().find(bad) {
        return Err(Error::Letters { name: localpart.escape_debug().to_string(), bad: shown(bad) });
    }
    OwnedUserId::try_from(format!("@{localpart}:{server}")).map_err(|error| Error::Invalid {
        what,
        name: localpart.to_owned(),
        reason: error.to_string(),
    })
}

/// The same, or a user of another server: who is invited may live anywhere.
pub(crate) fn anyone(text: &str, server: &ServerName) -> Result<OwnedUserId, Error> {
    match user(text, server) {
        Err(Error::Foreign { name, .. }) => {
            OwnedUserId::try_from(name.as_str()).map_err(|error| Error::Invalid {
                what: What::User,
                name: name.escape_debug().to_string(),
                reason: error.to_string(),
            })
        }
        other => other,
    }
}

/// Whether a part, in small letters, is in one of these, whatever their capitals.
pub(crate) fn is_in<'a>(part: &str, texts: impl IntoIterator<Item = &'a str>) -> bool {
    texts.into_iter().any(|text| text.to_lowercase().contains(part))
}

/// What a text means where a room is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// `!…`, of any version: those of version 12 carry no server name.
    Id(OwnedRoomId),
    /// `#name:server`; `#name` is one of this server.
    Alias(OwnedRoomAliasId),
    /// `@user` or `@user:server`: the direct room with them.
    Direct(OwnedUserId),
    /// Anything else: the exact name of a room.
    Name(String),
}

pub(crate) fn room(text: &str, server: &ServerName) -> Result<Room, Error> {
    let what = What::Room;
    if text.trim().is_empty() {
        return Err(Error::Empty { what });
    }
    if text.len() > LONGEST && (text.starts_with('!') || text.starts_with('#')) {
        return Err(Error::Long { what, length: text.len() });
    }
    let invalid = |reason: &str| Error::Invalid {
        what,
        name: text.escape_debug().to_string(),
        reason: reason.to_owned(),
    };
    if text.chars().any(char::is_control) {
        return Err(invalid("it contains control characters"));
    }
    if text.starts_with('!') {
        let plain = |c: char| c.is_ascii_graphic() && c != '/' && c != '"' && c != '\'';
        if text.len() < 2 || !text.chars().all(plain) {
            return Err(invalid("a room id is `!` followed by letters, digits and punctuation"));
        }
        return OwnedRoomId::try_from(text).map(Room::Id).map_err(|e| invalid(&e.to_string()));
    }
    // An alias has no blanks; what a bridge calls a room may begin like one.
    if text.starts_with('#') && !text.contains(char::is_whitespace) {
        return alias(text, server).map(Room::Alias);
    }
    if text.starts_with('@') && !text.contains(char::is_whitespace) {
        return anyone(text, server).map(Room::Direct);
    }
    Ok(Room::Name(text.to_owned()))
}

/// An alias: `name`, `#name` or `#name:server`.
pub(crate) fn alias(text: &str, server: &ServerName) -> Result<OwnedRoomAliasId, Error> {
    let what = What::Alias;
    let bare = text.strip_prefix('#').unwrap_or(text);
    let (localpart, host) = bare.split_once(':').unwrap_or((bare, server.as_str()));
    let host = if host.eq_ignore_ascii_case(server.as_str()) { server.as_str() } else { host };
    if localpart.is_empty() {
        return Err(Error::Empty { what });
    }
    let length = localpart.len() + host.len() + 2;
    if length > LONGEST {
        return Err(Error::Long { what, length });
    }
    let invalid =
        |reason: String| Error::Invalid { what, name: text.escape_debug().to_string(), reason };
    if let Some(bad) = localpart.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return Err(invalid(format!("it holds {}", shown(bad))));
    }
    OwnedRoomAliasId::try_from(format!("#{localpart}:{host}")).map_err(|e| invalid(e.to_string()))
}

/// An event: `$` and the 43 letters of its hash (room versions 3 and later), or `$id:server`.
pub(crate) fn event(text: &str) -> Result<OwnedEventId, Error> {
    let invalid = || Error::Invalid {
        what: What::Event,
        name: text.escape_debug().to_string(),
        reason: "it is `$` and 43 letters, digits, `-` or `_`, or `$`, an id, `:` and a server"
            .into(),
    };
    let bare = text.strip_prefix('$').ok_or_else(invalid)?;
    let plausible = if let Some((id, server)) = bare.split_once(':') {
        text.len() <= LONGEST
            && !id.is_empty()
            && id.chars().all(|c| c.is_ascii_graphic())
            && ServerName::parse(server).is_ok()
    } else {
        // With `/` and `+` in version 3, with `_` and `-` after it.
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '+');
        bare.len() == 43 && bare.chars().all(letter)
    };
    if !plausible {
        return Err(invalid());
    }
    OwnedEventId::try_from(text).map_err(|_| invalid())
}

/// The longest name that Synapse lets others see, in characters.
const LONGEST_SHOWN: usize = 256;

/// Display name instead of a user's id.
pub(crate) fn display_name(text: &str) -> Result<(), Error> {
    let reason = if text.chars().any(char::is_control) {
        "it contains control characters"
    } else if text.chars().count() > LONGEST_SHOWN {
        "it has more than 256 characters"
    } else {
        return Ok(());
    };
    let name = text.chars().take(LONGEST_SHOWN).collect::<String>().escape_debug().to_string();
    Err(Error::Invalid { what: What::DisplayName, name, reason: reason.into() })
}

/// A MIME type: `type/subtype`, and parameters behind a `;`.
pub(crate) fn mime(text: &str) -> Result<(), Error> {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let token = |word: &str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
        !word.is_empty() && word.len() <= 127 && word.chars().all(letter)
    };
    let named = essence.trim_end_matches(' ').split_once('/');
    let plain =
        parameters.len() <= LONGEST && parameters.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if plain && named.is_some_and(|(kind, subtype)| token(kind) && token(subtype)) {
        return Ok(());
    }
    let name = text.escape_debug().to_string();
    Err(Error::Invalid { what: What::Mime, name, reason: "one is like `image/png`".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> &'static ServerName {
        <&ServerName>::try_from("x.org").unwrap()
    }

    #[test]
    fn a_name_without_a_server_is_ours() {
        for text in ["al", "@al", "@al:x.org", "al:x.org", "@al:X.Org"] {
            assert_eq!(user(text, ours()).unwrap(), "@al:x.org", "{text}");
        }
    }

    #[test]
    fn bad_names_are_refused_with_the_reason() {
        let said = |text: &str| user(text, ours()).unwrap_err().to_string();
        assert!(said("a\"b").contains("must not contain `\"`"), "{}", said("a\"b"));
        assert!(said("a\nb").contains("`\\n`"), "{}", said("a\nb"));
        assert!(said("a🦀").contains("`🦀`"));
        assert!(said("a:b").contains("`:`"));
        assert!(said("Al").contains("`A`"));
        assert!(said(&"a".repeat(300)).contains("too long: 307 bytes"));
        assert!(said("@a:other.org").contains("another homeserver than `x.org`"));
        assert!(said("").contains("empty"));
    }

    #[test]
    fn whatever_cannot_be_a_name_is_told_what_can() {
        let long = "a".repeat(300);
        let (server, id) = (ours(), format!("!{long}"));
        let refused = [
            user("", server).unwrap_err(),
            user(&long, server).unwrap_err(),
            anyone("@a b:other.org:", server).unwrap_err(),
            room(" ", server).unwrap_err(),
            room(&id, server).unwrap_err(),
            alias("", server).unwrap_err(),
            alias(&long, server).unwrap_err(),
            alias("a b", server).unwrap_err(),
            event("x").unwrap_err(),
            display_name(&long).unwrap_err(),
            mime("png").unwrap_err(),
        ];
        for error in refused {
            assert!(error.hint().is_some_and(|hint| hint.len() > 20), "{error}");
        }
    }

    #[test]
    fn a_part_is_found_in_capitals_of_any_script() {
        assert!(is_in("ünal", ["@u:x.org", "Cem ÜNAL"]) && !is_in("ünal", ["@unal:x.org", "Unal"]));
    }

    #[test]
    fn a_room_is_an_id_an_alias_or_a_name() {
        let id = "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM";
        assert_eq!(room(id, ours()).unwrap(), Room::Id(id.try_into().unwrap()));
        assert_eq!(room("!a:b.c", ours()).unwrap(), Room::Id("!a:b.c".try_into().unwrap()));
        let alias = Room::Alias("#ops:x.org".try_into().unwrap());
        for text in ["#ops", "#ops:x.org", "#ops:X.ORG"] {
            assert_eq!(room(text, ours()).unwrap(), alias);
        }
        assert_eq!(room("Ops, all", ours()).unwrap(), Room::Name("Ops, all".into()));
        let bob = Room::Direct("@bob:x.org".try_into().unwrap());
        assert_eq!(
            (room("@bob", ours()).unwrap(), room("@bob:X.org", ours()).unwrap()),
            (bob, Room::Direct("@bob:x.org".try_into().unwrap()))
        );
        let other = Room::Direct("@bob:y.org".try_into().unwrap());
        assert_eq!(room("@bob:y.org", ours()).unwrap(), other);
        assert_eq!(room("@ home", ours()).unwrap(), Room::Name("@ home".into()));
        room("!a/b", ours()).unwrap_err();
        room("a\nb", ours()).unwrap_err();
        room(" ", ours()).unwrap_err();
    }

    #[test]
    fn an_event_id_is_a_hash_or_names_a_server() {
        let hash = "31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM";
        for good in
            [&format!("${hash}"), "$1:x.org", "$31hneApxJ/1o+63DmFrpeqnkFfWppnzWso1JvH3ogLM"]
        {
            assert_eq!(event(good).unwrap(), good);
        }
        for bad in [hash, "$", "", "$e", "$:x.org", "$e:", "$e:b d", "$ä:x.org", "!r:x.org"] {
            let said = event(bad).unwrap_err().to_string();
            assert!(said.contains(&format!("the event id `{bad}` is not valid")), "{said}");
        }
        event(&format!("${hash}x")).unwrap_err();
    }

    #[test]
    fn a_display_name_is_one_short_line() {
        display_name("Ünï 🦀 x").unwrap();
        for bad in ["a\nb".to_owned(), "a\u{1b}[2J".to_owned(), "a\0".to_owned(), "a".repeat(257)] {
            display_name(&bad).unwrap_err();
        }
    }

    #[test]
    fn a_mime_type_has_two_words() {
        for good in ["image/png", "text/plain; charset=utf-8", "application/vnd.a+json"] {
            mime(good).unwrap();
        }
        for bad in ["", " ", "garbage", "image/", "/png", "a b/c", "image/png\n", "a/b;c\r\nX: y"] {
            assert!(mime(bad).unwrap_err().to_string().contains("MIME type"), "{bad}");
        }
    }
}
