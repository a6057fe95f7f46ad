//! What a shell is offered for a value: the names that the running homeserver knows, and those of the
//! settings. Whoever presses a key does not wait: where the homeserver does not run, or is slow, nothing
//! is offered and nothing is said.

mod cache;

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use ruma::RoomAliasId;
use serde_json::Value;

use self::cache::{Offer, remembered};
use crate::{
    bridges,
    config::{
        find, sections::stack, settings, sources::environment::Environment,
        values::setting::Setting,
    },
    context::{Context, Flags},
    hooks::registry,
    matrix::{
        Error, admin, client,
        client::Client,
        room, running,
        session::{self, Session},
    },
    outbox::{dead, entry::Entry, look},
    output::Talk,
    supervisor::log::read,
};

/// How long everything that is asked may take: whoever pressed the key waits for a tenth of a second at
/// most.
const PATIENCE: Duration = Duration::from_millis(80);
/// When that is over.
static DEADLINE: LazyLock<Instant> = LazyLock::new(|| Instant::now() + PATIENCE);
/// What only bash's script says of itself.
const BASH: &str = "_CLAP_COMPLETE_COMP_TYPE";
/// How many names it is asked for.
const MOST: u32 = 200;

/// The addresses of rooms, and by what is no address the names that one room has.
pub(crate) fn rooms() -> ArgValueCompleter {
    ArgValueCompleter::new(rooms_for)
}

fn rooms_for(typed: &OsStr) -> Vec<CompletionCandidate> {
    let is_address = |typed: &&str| typed.trim_start_matches('\\').starts_with(['#', '!']);
    let typed = typed.to_str();
    let addresses = typed.filter(|typed| typed.is_empty() || is_address(typed));
    let mut candidates = addresses.and_then(aliases).unwrap_or_default();
    let name = typed.filter(|typed| !is_address(typed));
    candidates.extend(name.and_then(names).unwrap_or_default());
    let user = typed.filter(|typed| typed.starts_with('@'));
    candidates.extend(user.and_then(localparts).unwrap_or_default());
    candidates
}

/// The users of the homeserver that can be used.
pub(crate) fn users() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| typed.to_str().and_then(localparts).unwrap_or_default())
}

/// The services that run, and their tags; those that have run, where none does.
pub(crate) fn services() -> ArgValueCompleter {
    offered(|| {
        let context = context();
        let now = waited(context.supervisor()).and_then(Result::ok).flatten();
        let Some(now) = now else {
            return Some(plain(read::names(&context.data().ok()?.logs()).ok()?));
        };
        let tags = now.services.values().flat_map(|report| &report.tags);
        let mut names: Vec<&String> = now.services.keys().chain(tags).collect();
        names.sort();
        names.dedup();
        Some(plain(names))
    })
}

/// The addresses of the service that stands in the line, by their names.
pub(crate) fn endpoints() -> ArgValueCompleter {
    offered(|| {
        let now = waited(context().supervisor())?.ok()??;
        let service =
            words().iter().find_map(|word| now.services.get(word).map(|it| &it.endpoints))?;
        Some(plain(service.keys()))
    })
}

/// The profiles that people choose, and those of the operator's own.
pub(crate) fn profiles() -> ArgValueCompleter {
    offered(|| Some(all_profiles()))
}

fn all_profiles() -> Vec<CompletionCandidate> {
    let ours = stack::typed()
        .map(|profile| CompletionCandidate::new(profile.name).help(Some(profile.summary.into())));
    let mut all: Vec<CompletionCandidate> = ours.collect();
    let context = context();
    let named = context.config().ok().and_then(|config| config.named.get("profiles"));
    let own = named.and_then(Value::as_object).into_iter().flatten();
    all.extend(own.map(|(name, profile)| {
        let summary = profile["summary"].as_str().map(|summary| summary.to_owned().into());
        CompletionCandidate::new(name).help(summary)
    }));
    all
}

/// The keys of the settings.
pub(crate) fn keys() -> ArgValueCompleter {
    offered(|| {
        let key = |setting: &'static Setting| {
            let doc = setting.doc.lines().next().unwrap_or_default();
            CompletionCandidate::new(setting.key).help(Some(doc.into()))
        };
        Some(settings().map(key).collect())
    })
}

/// The values of the setting whose key stands in the line, where it takes one of a few.
pub(crate) fn values() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let Some(setting) = words().iter().find_map(|word| find(word).ok()) else {
            return Vec::new();
        };
        match setting.key {
            "alerts.room" => rooms_for(typed),
            "stack.profile" => going_on(all_profiles(), typed),
            _ => going_on(plain(choices(&(setting.schema)())), typed),
        }
    })
}

/// The sets of workers.
pub(crate) fn presets() -> ArgValueCompleter {
    offered(|| Some(plain(choices(&(find("workers.preset").ok()?.schema)()))))
}

/// The messages in the queue that the action in the line is about.
pub(crate) fn queued() -> ArgValueCompleter {
    offered(|| {
        let outbox = context().data().ok()?.outbox();
        let candidate = |entry: &Entry| {
            let text = entry.draft.what.shown().lines().next().unwrap_or_default();
            let help = format!("{}: {text}", entry.draft.room);
            CompletionCandidate::new(&entry.id).help(Some(help.into()))
        };
        let letters = dead::all(&outbox).ok()?;
        let mut all: Vec<_> = letters.iter().map(|letter| candidate(&letter.entry)).collect();
        if !words().iter().any(|word| word == "retry") {
            all.extend(look::waiting(&outbox).ok()?.iter().map(candidate));
        }
        Some(all)
    })
}

fn choices(schema: &Value) -> Vec<String> {
    if schema["type"] == "boolean" {
        return [true, false].map(|word| word.to_string()).into();
    }
    let words = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"));
    let mut words: Vec<String> =
        words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
    for several in ["anyOf", "oneOf"] {
        words.extend(schema[several].as_array().into_iter().flatten().flat_map(choices));
    }
    words
}

/// The webhooks.
pub(crate) fn hooks() -> ArgValueCompleter {
    offered(|| Some(plain(registry::names(&context().data().ok()?))))
}

/// The bridges.
pub(crate) fn bridges() -> ArgValueCompleter {
    offered(|| {
        let all = bridges::all(&context().data().ok()?).ok()?;
        Some(plain(all.iter().map(bridges::Found::name)))
    })
}

fn plain<S: Into<OsString>>(names: impl IntoIterator<Item = S>) -> Vec<CompletionCandidate> {
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Those of the candidates that go on from what is typed.
fn offered(
    candidates: impl Fn() -> Option<Vec<CompletionCandidate>> + Send + Sync + 'static,
) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| going_on(candidates().unwrap_or_default(), typed))
}

fn going_on(mut candidates: Vec<CompletionCandidate>, typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.as_encoded_bytes();
    candidates.retain(|it| it.get_value().as_encoded_bytes().starts_with(typed));
    candidates
}

/// The line, as far as it is text.
fn words() -> Vec<String> {
    std::env::args_os().filter_map(|word| word.into_string().ok()).collect()
}

fn aliases(typed: &str) -> Option<Vec<CompletionCandidate>> {
    let bare = typed.strip_prefix('\\').unwrap_or(typed);
    if !bare.is_empty() && !bare.starts_with('#') {
        return None;
    }
    // To bash and its line a word is a comment from `#` on, unless it is in quotes or behind a backslash:
    // quotes it takes off before it asks.
    let escaped = is_bash() && !typed.starts_with('#');
    let term = bare.trim_start_matches('#').split(':').next().unwrap_or_default();
    let (server, rooms) = rooms_with(Some(term.to_owned()).filter(|term| !term.is_empty()))?;
    let candidate = |room: Offer| {
        let alias = room.id.as_deref().and_then(|it| <&RoomAliasId>::try_from(it).ok())?;
        let ours = alias.server_name() == server.as_str() && !bare.contains(':');
        let word = if ours { format!("#{}", alias.alias()) } else { alias.to_string() };
        let word = Some(word).filter(|word| word.starts_with(bare))?;
        let word = if escaped { format!("\\{word}") } else { word };
        Some(CompletionCandidate::new(word).help(room.name.map(Into::into)))
    };
    Some(rooms.into_iter().filter_map(candidate).collect())
}

/// The rooms that the homeserver finds by a part of their name or alias, and what it is called.
fn rooms_with(search_term: Option<String>) -> Option<(String, Vec<Offer>)> {
    let question = format!("rooms {}", search_term.as_deref().unwrap_or_default());
    asked(&question, async |client| {
        let page = client.send(admin::rooms::list::Request::by_name(0, MOST, search_term)).await?;
        let offer =
            |room: admin::rooms::list::Room| Offer { id: room.canonical_alias, name: room.name };
        Ok(page.rooms.into_iter().map(offer).collect())
    })
}

/// Several rooms of one name are not told apart by it.
fn names(typed: &str) -> Option<Vec<CompletionCandidate>> {
    let line = Typed::of(typed, is_bash());
    let part = &line.text;
    let (_, rooms) = rooms_with(room::searchable(part).map(str::to_owned))?;
    let named = |room: &Offer| room.name.clone().filter(|it| it.starts_with(part));
    let all: Vec<String> = rooms.iter().filter_map(named).collect();
    let candidate = |room: Offer| {
        let name = named(&room)?;
        let is_plain = !name.starts_with(['#', '!', '-']) && !name.chars().any(char::is_control);
        let is_one = all.iter().filter(|other| **other == name).count() == 1;
        // Whoever begins with nothing sees the address where there is one.
        let is_wanted = !part.is_empty() || room.id.is_none();
        (is_plain && is_one && is_wanted)
            .then(|| CompletionCandidate::new(line.word(&name)).help(room.id.map(Into::into)))
    };
    Some(rooms.into_iter().filter_map(candidate).collect())
}

/// What is typed of a word, which bash hands on with its backslashes and without the quote it begins with.
struct Typed {
    text: String,
    /// Whether a blank in the word would end it.
    escaped: bool,
}

impl Typed {
    fn of(typed: &str, is_bash: bool) -> Self {
        let (mut text, mut quoted, mut letters) = (String::new(), false, typed.chars());
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if is_bash => text.extend(letters.next()),
                letter => {
                    quoted |= letter == ' ';
                    text.push(letter);
                }
            }
        }
        Self { text, escaped: is_bash && !quoted }
    }

    fn word(&self, text: &str) -> String {
        let is_safe = |c: char| c.is_alphanumeric() || "-_./:@%+,=".contains(c);
        let escape = |c: char| (self.escaped && !is_safe(c)).then_some('\\');
        text.chars().flat_map(|c| escape(c).into_iter().chain([c])).collect()
    }
}

fn is_bash() -> bool {
    Environment::of_this_process().get(BASH).is_some()
}

fn localparts(typed: &str) -> Option<Vec<CompletionCandidate>> {
    let (sign, part) = typed.strip_prefix('@').map_or(("", typed), |part| ("@", part));
    let name = Some(part.to_owned()).filter(|part| !part.is_empty());
    let (_, users) = asked(&format!("users {part}"), async |client| {
        let request = admin::users::list::Request {
            from: None,
            limit: MOST,
            deactivated: Some(false),
            locked: true,
            name,
            order_by: None,
            dir: None,
        };
        let offer = |user: admin::users::get::User| Offer {
            id: Some(user.name.localpart().to_owned()),
            name: user.displayname,
        };
        Ok(client.send(request).await?.users.into_iter().map(offer).collect())
    })?;
    let candidate = |user: Offer| {
        let localpart = user.id.filter(|it| it.starts_with(part))?;
        let word = format!("{sign}{localpart}");
        Some(CompletionCandidate::new(word).help(user.name.map(Into::into)))
    };
    Some(users.into_iter().filter_map(candidate).collect())
}

/// What the homeserver answers the operator, if it runs, or has answered a moment ago; and what it is
/// called.
fn asked(
    question: &str,
    ask: impl AsyncFnOnce(&Client) -> Result<Vec<Offer>, Error>,
) -> Option<(String, Vec<Offer>)> {
    let data = context().data().ok()?;
    let session = Session::load(&session::operator_file(&data)).ok()??;
    // Without this a homeserver that is down would be asked again and again.
    running::require(&data, &session.url).ok()?;
    let server = session.server_name.to_string();
    let offers = remembered(&data, question, || {
        let operator = client::operator(&data, PATIENCE).ok()?;
        waited(ask(&operator))?.ok()
    })?;
    Some((server, offers))
}

fn waited<T>(work: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout_at((*DEADLINE).into(), work).await.ok() })
}

/// The homeserver that the line names.
fn context() -> Context {
    LazyLock::force(&DEADLINE);
    let environment = Environment::of_this_process();
    let words = words();
    let instance = value_of(&words, "--instance");
    let data_dir = value_of(&words, "--data-dir").map(PathBuf::from);
    let instance = match &data_dir {
        None => instance.or_else(|| environment.get("MATRIX_SYNAPSE_INSTANCE")),
        Some(_) => None,
    };
    let flags = Flags { data_dir, instance, ..Flags::default() };
    Context::new(flags, environment, Arc::new(Talk::default()))
}

/// `--flag VALUE` or `--flag=VALUE`.
fn value_of(words: &[String], flag: &str) -> Option<String> {
    let place = words.iter().position(|word| word == flag);
    let after = place.and_then(|place| words.get(place + 1)).cloned();
    after.or_else(|| {
        let value = |word: &String| Some(word.strip_prefix(flag)?.strip_prefix('=')?.to_owned());
        words.iter().find_map(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_goes_on_as_it_was_begun() {
        let word = |typed: &str, is_bash: bool| {
            let typed = Typed::of(typed, is_bash);
            assert!("War \"Room".starts_with(&typed.text), "{}", typed.text);
            typed.word("War \"Room")
        };
        assert_eq!(word("War\\ ", true), "War\\ \\\"Room");
        assert_eq!(word("Wa", true), "War\\ \\\"Room");
        assert_eq!(word("War ", true), "War \"Room");
        assert_eq!(word("War ", false), "War \"Room");
    }

    #[test]
    fn the_homeserver_of_the_line_is_asked() {
        let words = ["--", "x", "--instance", "two", "get-room", "--data-dir=/a b"];
        let words = words.map(str::to_owned);
        assert_eq!(value_of(&words, "--instance").as_deref(), Some("two"));
        assert_eq!(value_of(&words, "--data-dir").as_deref(), Some("/a b"));
        assert_eq!(value_of(&words, "--format"), None);
    }
}
