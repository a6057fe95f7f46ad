//! What can go wrong between us and the server, and what to type next.

use std::time::Duration;

use super::attachment;
use crate::{
    error::{Explain, Kind},
    files,
};

/// What to do about an endpoint that is none.
pub(crate) const NO_ENDPOINT: &str =
    "`status` shows the version of Synapse, whose documentation lists its methods and paths";

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the homeserver cannot be reached at `{url}`")]
    Unreachable { url: String, source: reqwest::Error },
    /// Nothing was asked: whoever listens there is not our server.
    #[error("the homeserver cannot be reached at `{url}`: it does not run")]
    Down { url: String },
    #[error("the homeserver at `{url}` gave no answer within {}", span(*waited))]
    Deadline { url: String, waited: Duration },
    /// The request may have had its effect: only a repeat with the same transaction id is harmless.
    #[error("the request to the homeserver at `{url}` may have been applied; the answer was lost")]
    Unknown { url: String, source: Box<Self> },
    #[error("the connection to `{url}` was lost")]
    Lost { url: String, source: reqwest::Error },
    #[error("the answer of `{url}` is larger than {} MB", largest >> 20)]
    Endless { url: String, largest: usize },
    #[error("the server at `{url}` is not a Matrix homeserver (HTTP {status})")]
    NotMatrix { url: String, status: u16 },
    #[error("the homeserver answered something unexpected to `{what}`")]
    Answer { what: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the request to `{0}` cannot be written")]
    Request(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// Found before anything is sent.
    #[error("a name, an id or a word to search for is too long for a request to the homeserver")]
    LongAddress,
    /// An error of the Matrix API, with its code.
    #[error("the homeserver refused ({errcode}): {message}")]
    Refused { status: u16, errcode: String, message: String, retry_after: Option<Duration> },
    #[error("the token with which this program acts as the users of this server is gone: `{0}`")]
    NoToken(String),
    #[error("the homeserver was started with another registration secret than the one that is set")]
    OtherSecret,
    #[error("the secret for making accounts is lost")]
    NoRegistration,
    /// Found before anything is sent.
    #[error("Dendrite has nothing for that: `{0}` is of Synapse alone")]
    NotOffered(String),
    #[error("the homeserver asks to wait {} before the next request", span(*wait))]
    Limited { wait: Duration },
    #[error(
        "the message is too large: {size} bytes where {largest} are allowed (an event has 65,536, and \
         the server adds its own part)"
    )]
    TooLarge { size: usize, largest: usize },
    #[error("`{name}` has {size} bytes, and the homeserver takes at most {largest} ({})", mebibytes(*largest))]
    MediaTooLarge { name: String, size: u64, largest: u64 },
    #[error("`{0}` has no session yet")]
    NoSession(String),
    #[error("the session file `{0}` is damaged")]
    SessionFile(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the session key `{0}` is not a usable P-256 key")]
    Key(String),
    #[error("`{0}` exists but is not a server admin")]
    NotAdmin(String),
    #[error("there is no user `{0}`")]
    NoUser(String),
    #[error("there is no room `{0}`")]
    NoRoom(String),
    #[error("`{user}` has no direct room with `{other}`")]
    NoDirect { user: String, other: String },
    #[error("`{0}` cannot have a direct room with itself")]
    Alone(String),
    #[error("the account `{0}` was deactivated")]
    Deactivated(String),
    #[error("the message `{event}` is not in the thread of `{thread}`")]
    OtherThread { event: String, thread: String },
    #[error("there is no event `{event}` in the room `{room}`")]
    NoEvent { event: String, room: String },
    #[error("the message `{event}` was redacted, so there is nothing to edit")]
    Redacted { event: String },
    #[error("the event `{event}` {why}, so it has no text to edit")]
    NotEditable { event: String, why: String },
    #[error("the message `{event}` is by `{sender}`, and `{user}` cannot edit it")]
    OthersMessage { event: String, sender: String, user: String },
    #[error("the transaction id `{id}` was used before, for other content: `{event}`")]
    OtherContent { id: String, event: String },
    #[error(
        "the transaction id `{id}` was used before, for something else that is in the queue or was sent"
    )]
    OtherWords { id: String },
    #[error("there is no room named `{name}`, but there is `{alias}`")]
    OnlyAlias { name: String, alias: String },
    #[error("the alias `{0}` belongs to another server, and federation is off")]
    Elsewhere(String),
    #[error("`{name}` names {} rooms: {}", ids.len(), ids.join(", "))]
    ManyRooms { name: String, ids: Vec<String> },
    #[error("the room `{0}` is encrypted, and this installation was made without encryption")]
    Encrypted(String),
    #[error("the room `{0}` is encrypted, and nothing can be written there with Dendrite")]
    EncryptedThere(String),
    #[error("the room `{room}` is encrypted, and that cannot be done there: {why}")]
    Unsealed { room: String, why: String },
    #[error("the room `{room}` is encrypted, and the keys of `{user}` cannot be used: {why}")]
    Store { room: String, user: String, why: String },
    #[error("the message `{event}` cannot be read: {why}")]
    Closed { event: String, why: String },
    #[error("the encrypted file `{url}` cannot be opened")]
    Attachment { url: String, source: attachment::Error },
    /// Somebody wrote the state that makes a room encrypted, and not how. It is not known what they wanted.
    #[error("the room `{0}` is to be encrypted, and its `m.room.encryption` has no `algorithm`")]
    NoAlgorithm(String),
    #[error("the room is not encrypted")]
    NotSealed,
    #[error("the room `{0}` is not encrypted, so it is not known who reads it")]
    Plain(String),
    #[error("not everybody in the room `{room}` is verified: {}", users.join(", "))]
    Unverified { room: String, users: Vec<String> },
    #[error("the identity that was verified of {} is another now", users.join(", "))]
    Changed { users: Vec<String> },
    #[error("that cannot be done with the keys of `{user}`: {why}")]
    Trust { user: String, why: String },
    #[error(
        "the identity of `{user}` was made by another program, so what is encrypted here would be signed by nobody"
    )]
    Unsigned { user: String },
    #[error("the keys of `{user}` stay as they are: {why}")]
    KeysOf { user: String, why: String, is_file: bool },
    /// By our module for Synapse. What can encrypt it does so then.
    #[error("the room is encrypted, and this was not")]
    InTheClear,
    #[error("nothing can be encrypted or decrypted")]
    Keys(#[source] crate::crypto::Error),
    #[error("the room `{room}` was upgraded: `{successor}` took its place")]
    Upgraded { room: String, successor: String },
    #[error("nobody is in the room `{0}` any more, so nobody can enter it")]
    Deserted(String),
    #[error("`{user}` cannot enter the room `{room}`")]
    NoEntry { user: String, room: String, source: Box<Self> },
    #[error("`{user}` has no right to do that in the room `{room}`")]
    NoPower { user: String, room: String, source: Box<Self> },
    #[error("{user} is banned from the room `{room}`")]
    Banned { user: String, room: String, source: Box<Self> },
    #[error("the room `{0}` is blocked on this server: nobody can enter it")]
    Blocked(String),
    #[error("the homeserver could not remove the room `{room}`: {reason}")]
    NotRemoved { room: String, reason: String },
    #[error("the TLS client cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Name(#[from] super::names::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

/// A span of time as a sentence has it; seconds are rounded up.
fn span(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{} ms", time.as_millis());
    }
    match u128::from(time.as_secs()) + u128::from(time.subsec_nanos() > 0) {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

/// What helps where a room is not there: the server gives an id, and only an alias without a server is sure
/// to be one of ours.
fn no_room(room: &str) -> String {
    match room.strip_prefix('#') {
        Some(alias) if !alias.contains([':', '\'']) && !alias.contains(char::is_whitespace) => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let quote = if alias.chars().all(is_plain) { "" } else { "'" };
            format!(
                "`content create-room NAME --alias {quote}{alias}{quote}` makes it; `content list-rooms` lists those there are"
            )
        }
        _ if room.starts_with(['#', '!']) => "`content list-rooms` lists those there are".into(),
        _ => "`content create-room NAME` makes one; `content list-rooms` lists those there are"
            .into(),
    }
}

/// An amount as `synapse.max_upload_size` has it.
fn mebibytes(bytes: u64) -> String {
    format!("{}M", bytes.div_ceil(1 << 20))
}

impl Error {
    /// Whether it says that a text names no room, or none of them alone.
    pub(crate) fn is_about_a_room(&self) -> bool {
        matches!(
            self,
            Self::NoRoom(_)
                | Self::NoDirect { .. }
                | Self::OnlyAlias { .. }
                | Self::Elsewhere(_)
                | Self::ManyRooms { .. }
        )
    }

    /// An answer without a field that it must have.
    pub(crate) fn lacks(what: &str, field: &str) -> Self {
        Self::Answer { what: what.to_owned(), source: format!("it has no `{field}`").into() }
    }

    /// The Matrix error code, where the server gave one.
    pub(crate) fn errcode(&self) -> Option<&str> {
        match self {
            Self::Refused { errcode, .. } => Some(errcode),
            _ => None,
        }
    }

    pub(crate) fn is(&self, code: &str) -> bool {
        self.errcode() == Some(code)
    }

    /// Whether the server is away and may come back: then nothing was refused.
    pub(crate) fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Down { .. }
                | Self::Lost { .. }
                | Self::Deadline { .. }
                | Self::Refused { status: 500.., .. }
                | Self::NotMatrix { .. }
        )
    }

    /// Whether the server said that the thing is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::NoRoom(_)
                | Self::NoDirect { .. }
                | Self::NoUser(_)
                | Self::Elsewhere(_)
                | Self::OnlyAlias { .. }
        ) || matches!(self, Self::Refused { status: 404, errcode, .. } if errcode == "M_NOT_FOUND")
    }

    /// Whether it is about a room that nobody of this server may enter. Synapse has no code for that.
    pub(crate) fn is_blocked(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains("been blocked on this server"))
    }

    /// A server that broke off may have done it before.
    pub(crate) fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Refused { status: 500.., .. })
    }

    /// Whether the server is not as it must be, whatever was asked of it.
    pub(crate) fn is_servers_fault(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Down { .. }
                | Self::Deadline { .. }
                | Self::Unknown { .. }
                | Self::Lost { .. }
                | Self::Refused { status: 500.., .. }
        )
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unreachable { .. }
            | Self::Down { .. }
            | Self::Deadline { .. }
            | Self::Unknown { .. }
            | Self::Lost { .. }
            | Self::Endless { .. }
            | Self::NotMatrix { .. }
            | Self::Answer { .. }
            | Self::NoSession(_)
            | Self::NoToken(_)
            | Self::OtherSecret
            | Self::NoRegistration
            | Self::SessionFile(..)
            | Self::Key(_)
            | Self::Limited { .. }
            | Self::NotRemoved { .. }
            | Self::Refused { status: 500.., .. }
            | Self::Tls(_) => Kind::Environment,
            Self::NotAdmin(_) => Kind::Setting,
            Self::Request(..) => Kind::Bug,
            Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::MediaTooLarge { .. }
            | Self::LongAddress
            | Self::NotOffered(_)
            | Self::NoUser(_)
            | Self::NoRoom(_)
            | Self::NoDirect { .. }
            | Self::Alone(_)
            | Self::Deactivated(_)
            | Self::OtherThread { .. }
            | Self::NoEvent { .. }
            | Self::Redacted { .. }
            | Self::NotEditable { .. }
            | Self::OthersMessage { .. }
            | Self::OtherContent { .. }
            | Self::OtherWords { .. }
            | Self::OnlyAlias { .. }
            | Self::Elsewhere(_)
            | Self::ManyRooms { .. }
            | Self::Encrypted(_)
            | Self::Unsealed { .. }
            | Self::NoAlgorithm(_)
            | Self::EncryptedThere(_)
            | Self::NotSealed
            | Self::Plain(_)
            | Self::Unverified { .. }
            | Self::Changed { .. }
            | Self::Trust { .. }
            | Self::KeysOf { .. }
            | Self::Unsigned { .. }
            | Self::InTheClear
            | Self::Closed { .. }
            | Self::Attachment { source: attachment::Error::Unfit(_), .. }
            | Self::Upgraded { .. }
            | Self::Deserted(_)
            | Self::Blocked(_)
            | Self::NoPower { .. }
            | Self::Banned { .. }
            | Self::NoEntry { .. } => Kind::Request,
            Self::Attachment { .. } | Self::Keys(_) | Self::Store { .. } => Kind::Environment,
            Self::Name(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoToken(_) => "`manage restart` makes another one",
            Self::OtherSecret => "`manage restart` starts it with that",
            Self::NoRegistration => {
                "`manage install` makes a new one, and `manage restart` starts it with that"
            }
            Self::NotOffered(_) => {
                "`docs/dendrite.md` says what can be done with Dendrite; nothing was changed"
            }
            Self::Unreachable { .. } | Self::Down { .. } => {
                "`manage start` starts it; `status` shows how it is"
            }
            Self::Deadline { .. } | Self::Lost { .. } => {
                "`status` shows how the server is; `--timeout SECONDS` waits longer"
            }
            Self::Unknown { .. } => "look before you repeat it: it may have been done",
            Self::Endless { .. } => {
                "ask for less at once where the command can; a homeserver gives no such answer, so see with `status` what listens there"
            }
            Self::NotMatrix { .. } => {
                "another program listens on that port: `status` shows whose it is, `config set server.port PORT` takes another"
            }
            Self::Answer { .. } => "`status --verbose` shows the server's version",
            Self::Refused { status: 500.., .. } => {
                "`logs synapse` tells why; `status` shows how the server is"
            }
            Self::Refused { message, .. } if message.starts_with("Federation denied") => {
                "federation with that server is closed: `content federation-check SERVER` shows why"
            }
            Self::Refused { errcode, .. } => match errcode.as_str() {
                "M_FORBIDDEN" => {
                    "the acting user is not allowed to do that in this room: `content invite ROOM USER` lets a user in, and without `--as` the operator acts"
                }
                "M_NOT_FOUND" => {
                    "`content list --type room` and `content list --type user` show what there is"
                }
                "M_UNRECOGNIZED" => NO_ENDPOINT,
                "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN" => {
                    "`manage start` renews the operator's session"
                }
                "M_TOO_LARGE" => "split the text, or send it as a file with `content send-media`",
                "M_USER_LIMIT_EXCEEDED" => {
                    "this user has uploaded as much as `media.user_limits` lets one; `content media` shows who has how much"
                }
                "M_USER_LOCKED" => "the account is locked: `content unlock-user USER` unlocks it",
                "M_USER_SUSPENDED" => {
                    "the account is suspended: `content unlock-user USER` lets it write again"
                }
                "M_USER_DEACTIVATED" => {
                    "the account was deactivated: choose another user, or `content reactivate-user USER` opens it again"
                }
                _ => return None,
            },
            Self::Limited { .. } => "`--timeout SECONDS` waits longer",
            Self::TooLarge { .. } => {
                "split the text, or send it as a file with `content send-media`"
            }
            Self::LongAddress => {
                "nothing was sent; names and ids of Matrix have at most 255 bytes, and a path with its query 16,000"
            }
            Self::MediaTooLarge { size, .. } => {
                return Some(format!(
                    "`config set synapse.max_upload_size {}` and `manage restart` make it take that",
                    mebibytes(*size)
                ));
            }
            Self::NoSession(_) => {
                "`manage start` creates it; if nothing is installed yet, `manage install --start`"
            }
            Self::SessionFile(..) => "remove that file, then `manage start` creates it again",
            Self::Key(_) => "`manage install` creates a new one if that file is removed",
            Self::NotAdmin(_) => "choose another name with `config set server.operator NAME`",
            Self::NoUser(_) => {
                "`content add-user NAME` creates one; `content list-users` lists them"
            }
            Self::NoRoom(room) => return Some(no_room(room)),
            Self::NoDirect { other, .. } => {
                return Some(format!("`content send-message '{other}' TEXT` makes one"));
            }
            Self::Alone(_) => "name another user; `content create-room NAME` makes a room for one",
            Self::Deactivated(_) => "choose another user: `content list-users` lists them",
            Self::OtherThread { .. } => {
                "leave `--thread` out: an answer is in the thread of the message that it answers"
            }
            Self::NoEvent { .. } => "`content read-messages ROOM --format json` shows the ids",
            Self::Redacted { .. } => "`content send-message ROOM TEXT` sends a new one",
            Self::NotEditable { .. } => {
                "`content read-messages ROOM --format json` shows the messages with their ids"
            }
            Self::OthersMessage { sender, user, .. } => {
                let server = |user: &str| user.split_once(':').map(|(_, server)| server.to_owned());
                if server(sender) != server(user) {
                    return Some("only its sender can edit it".into());
                }
                return Some(format!("`--as '{sender}'` acts as its sender"));
            }
            Self::OtherContent { .. } | Self::OtherWords { .. } => {
                "nothing was sent: choose another id, or leave `--transaction-id` out"
            }
            Self::OnlyAlias { alias, .. } => {
                return Some(format!("did you mean `{alias}`? a shell wants it in quotes"));
            }
            Self::Elsewhere(alias) => {
                let server = alias.split_once(':').map_or("SERVER", |(_, server)| server);
                return Some(format!(
                    "`content federation-check {server}` checks the connection to it step by step; `content list-rooms` lists the rooms of this server"
                ));
            }
            Self::ManyRooms { .. } => "name the room by one of these ids",
            Self::Encrypted(_) => {
                "nothing was sent in the clear: `./cli.sh manage install --set encryption.enabled=true` brings it, and `manage restart` starts it"
            }
            Self::EncryptedThere(_) => {
                "nothing was sent; `content create-room NAME` makes a room that is not"
            }
            Self::NoAlgorithm(room) => {
                return Some(format!(
                    "nothing was sent: `content encrypt-room '{room}'` encrypts it as clients do"
                ));
            }
            Self::Unsealed { .. } | Self::NotSealed => {
                "nothing was sent in the clear; `logs crypto` may say more"
            }
            Self::Store { .. } => {
                "nothing was sent: the folder `crypto` of the data folder has them, and the account that runs the server has to be able to write there; `logs crypto` may say more"
            }
            Self::Plain(_) => "nothing was sent: leave `--only-verified` out, or name another room",
            Self::Unverified { users, .. } => {
                let user = users.first().map_or("USER", String::as_str);
                return Some(format!(
                    "nothing was sent: `content verify '{user}'` shows the first of them and their devices; `--emoji`, `--fingerprint KEY`, or for a bot `--kept`, verifies them, and `content verify '{user}' DEVICE --fingerprint KEY` a device that nobody has signed"
                ));
            }
            Self::Changed { users } => {
                let user = users.first().map_or("USER", String::as_str);
                return Some(format!(
                    "nothing was sent: `content verify '{user}' --emoji` verifies the new one, `content verify '{user}' --forget` does without"
                ));
            }
            Self::Trust { .. } => "`logs crypto` may say more",
            Self::Unsigned { user } => {
                return Some(format!(
                    "nothing was sent: `content keys restore --as '{user}' --recovery-key-file FILE` signs the device here, with the recovery key or the passphrase of that program in the file"
                ));
            }
            Self::KeysOf { is_file: true, .. } => {
                "name a file that a client exported, and one whose first line is its passphrase: `content keys import FILE --passphrase-file FILE`"
            }
            Self::KeysOf { .. } => {
                "`content keys restore --recovery-key-file FILE` takes up what another program made, with the recovery key or the passphrase of that one in the file"
            }
            Self::InTheClear => {
                "nothing was sent: `content send-event ROOM TYPE CONTENT` encrypts what it sends, and `content send-media ROOM FILE` a file"
            }
            Self::Closed { .. } => {
                "`--as USER` reads as somebody who was in the room when it was sent"
            }
            Self::Attachment { url, .. } => {
                return Some(format!(
                    "nothing was written; `content get-media {url}` shows what the server knows of it"
                ));
            }
            Self::Keys(crate::crypto::Error::Away) => {
                "nothing was sent: `manage start` starts it, or `manage restart crypto` where all else runs; where the installation was made without encryption, `./cli.sh manage install --set encryption.enabled=true` and `manage restart` bring it"
            }
            Self::Keys(crate::crypto::Error::Late(_)) => {
                "`manage restart crypto` starts it anew, and `logs crypto` may say more; with the same `--transaction-id` a message is sent once, however often it is tried"
            }
            Self::Keys(_) => "`manage restart crypto` starts it anew; `logs crypto` may say more",
            Self::Upgraded { successor, .. } => {
                return Some(format!(
                    "nothing was sent: name the room `{successor}`; its alias and its name lead there"
                ));
            }
            Self::Deserted(room) => {
                return Some(format!(
                    "`content remove-room '{room}'` removes it and frees its alias"
                ));
            }
            Self::NoEntry { user, room, .. } => {
                return Some(format!(
                    "`content get-room '{room}'` shows who is in it, and `content invite '{room}' {user}` invites, with `--as MEMBER` where the operator cannot"
                ));
            }
            Self::NoPower { user, room, .. } => {
                return Some(format!(
                    "`content set-power '{room}' {user} moderator`, or `admin`, gives it more power, and `content list-members '{room}'` shows who has how much"
                ));
            }
            Self::Banned { user, room, .. } => {
                return Some(format!("`content unban-user '{room}' {user}` lifts the ban"));
            }
            Self::Blocked(room) => {
                return Some(format!("`content unblock-room '{room}'` lets people in again"));
            }
            Self::NotRemoved { .. } => "`logs synapse` tells more; then run it again",
            Self::Name(error) => return error.hint(),
            Self::File(error) => return error.hint(),
            Self::Request(..) | Self::Tls(_) => return None,
        };
        Some(hint.into())
    }
}

/// Why a server was not reached, by the innermost cause, which says most: `connection refused`. Never the address, which
/// may be signed: it opens what it is for.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.split(" for url").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_is_not_there_is_made_by_what_the_hint_says() {
        let hint = |room: &str| Error::NoRoom(room.to_owned()).hint().unwrap();
        assert!(hint("#ops").starts_with("`content create-room NAME --alias ops` makes it"));
        assert!(hint("#o&s").starts_with("`content create-room NAME --alias 'o&s'` makes it"));
        assert!(hint("Ops").starts_with("`content create-room NAME` makes one"));
        for room in ["#ops:other.org", "!abc"] {
            assert_eq!(hint(room), "`content list-rooms` lists those there are");
        }
    }

    #[test]
    fn a_span_has_its_unit_and_its_number() {
        let spans = [(0, "0 ms"), (250, "250 ms"), (1000, "1 second"), (1001, "2 seconds")];
        for (milliseconds, said) in spans {
            assert_eq!(span(Duration::from_millis(milliseconds)), said);
        }
        assert_eq!(span(Duration::MAX), "18446744073709551616 seconds");
    }
}
