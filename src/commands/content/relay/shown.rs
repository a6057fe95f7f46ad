//! What `content relay` answers.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    output::Report,
    relay::{
        keys::Key,
        look::{Conversation, Counted, Letter},
        reset::Done,
    },
};

/// How much of a text a line has, in letters.
const SHOWN: usize = 60;

#[derive(Serialize, JsonSchema)]
pub(crate) struct Status {
    /// Where the relay is reached from this machine.
    pub(crate) url: String,
    /// Whether it runs.
    pub(crate) running: bool,
    #[serde(flatten)]
    pub(crate) counted: Counted,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Conversations {
    /// Oldest first.
    pub(crate) conversations: Vec<Conversation>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Dead {
    /// What was refused, oldest first.
    pub(crate) dead: Vec<Letter>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Keys {
    /// By their names.
    pub(crate) keys: Vec<Key>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct NewKey {
    pub(crate) id: String,
    /// It is shown this once.
    pub(crate) key: String,
    pub(crate) scopes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Changed {
    /// `retry`, `drop`, `replay` or `remove-key`.
    pub(crate) action: &'static str,
    /// How many that was.
    pub(crate) changed: u64,
}

impl Report for Status {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Self { url, running, counted } = self;
        let runs = if *running { "runs" } else { "does not run" };
        writeln!(page, "the relay {runs}: {url}")?;
        let Counted { conversations, messages, waiting, waits_ms, dead, matrix } = counted;
        writeln!(page, "{conversations} conversations, {messages} messages")?;
        let since = if *waiting > 0 {
            format!(", the oldest of them said {} s ago", waits_ms / 1000)
        } else {
            String::new()
        };
        let refused = if *dead > 0 { ": `content relay dead`" } else { "" };
        write!(page, "{waiting} wait for the homeserver{since}; {dead} refused{refused}")?;
        if !matrix {
            write!(page, "\nnothing goes to Matrix (`relay.matrix`)")?;
        }
        Ok(())
    }
}

/// The lines, or that there is nothing.
fn lines(page: &mut String, lines: &[String], nothing: &str) -> fmt::Result {
    page.write_str(if lines.is_empty() { nothing } else { "" })?;
    page.write_str(&lines.join("\n"))
}

impl Report for Conversations {
    fn text(&self, page: &mut String) -> fmt::Result {
        let line = |it: &Conversation| {
            let named = it.slug.as_deref().or(it.name.as_deref()).unwrap_or("-");
            let room = it.room_id.as_deref().unwrap_or("no room yet");
            let Conversation { conversation_id, participants, messages, waiting, dead, .. } = it;
            format!(
                "{conversation_id}  {named}  {room}  {participants} people, {messages} messages, {waiting} wait, \
                 {dead} refused"
            )
        };
        let all: Vec<String> = self.conversations.iter().map(line).collect();
        lines(page, &all, "there are no conversations")
    }

    fn ids(&self) -> Option<String> {
        let ids: Vec<&str> = self.conversations.iter().map(|it| &*it.conversation_id).collect();
        Some(ids.join("\n"))
    }
}

impl Report for Dead {
    fn text(&self, page: &mut String) -> fmt::Result {
        let line = |it: &Letter| {
            let text: String = it.text.as_deref().unwrap_or("").chars().take(SHOWN).collect();
            let at = clock::of_ms(u64::try_from(it.refused_at_ms).unwrap_or(0));
            let Letter { id, kind, conversation_id, reason, .. } = it;
            format!("{id}  {kind}  {conversation_id}  {at}  {reason}  {}", text.escape_debug())
        };
        let all: Vec<String> = self.dead.iter().map(line).collect();
        lines(page, &all, "nothing was refused")
    }

    fn ids(&self) -> Option<String> {
        Some(self.dead.iter().map(|it| &*it.id).collect::<Vec<_>>().join("\n"))
    }
}

impl Report for Keys {
    fn text(&self, page: &mut String) -> fmt::Result {
        let line = |it: &Key| {
            let at = clock::of_ms(u64::try_from(it.created_at_ms).unwrap_or(0));
            format!("{}  {}  {at}", it.id, it.scopes.join(","))
        };
        let all: Vec<String> = self.keys.iter().map(line).collect();
        lines(page, &all, "there are no keys: `content relay add-key NAME` makes one")
    }

    fn ids(&self) -> Option<String> {
        Some(self.keys.iter().map(|it| &*it.id).collect::<Vec<_>>().join("\n"))
    }
}

impl Report for NewKey {
    fn text(&self, page: &mut String) -> fmt::Result {
        write!(
            page,
            "{}\nthis is the key {}; it is kept nowhere and not shown again",
            self.key, self.id
        )
    }

    fn ids(&self) -> Option<String> {
        Some(self.key.clone())
    }
}

impl Report for Changed {
    fn text(&self, page: &mut String) -> fmt::Result {
        match (self.action, self.changed) {
            (_, 0) => page.write_str("there was nothing to do"),
            ("retry", count) => write!(page, "{count} will be sent again"),
            ("replay", count) => write!(page, "{count} will be told to Matrix"),
            ("remove-key", _) => {
                page.write_str("removed; the relay takes it for five seconds more at most")
            }
            (_, count) => write!(page, "forgot {count}; the messages stay with the application"),
        }
    }
}

impl Report for Done {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Self { tokens, rooms, users, dropped } = self;
        writeln!(page, "{rooms} rooms and {users} users will be made again, {dropped} forgotten")?;
        page.write_str(if *tokens {
            "there are new tokens: `manage restart` gives them to the homeserver and the relay"
        } else {
            "`manage start` starts the relay"
        })
    }
}
