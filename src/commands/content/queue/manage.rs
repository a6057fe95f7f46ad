//! `content queue list`, `retry`, `drop` and `drain`.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{Patience, queue::ensure_sent},
        listing::{Document, List, ListArgs, Listed, one_said},
        offered,
    },
    context::Context,
    data_dir::DataDir,
    error::Failure,
    outbox::{
        self,
        dead::{self, Letter},
        entry::{Draft, Entry},
        held,
        intake::Intake,
        look, service_runs,
    },
    output::{Report, Row},
    reply::Stop,
};

/// Between two looks at what waits.
const LOOK: Duration = Duration::from_millis(50);
/// How much of a text a line of the table has, in letters.
const SHOWN: usize = 40;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to do: show what is in it, send again what was refused, forget messages, or wait until nothing waits
    #[arg(value_name = "ACTION")]
    action: Action,
    /// The messages, by their names in the list
    #[arg(value_name = "ID", add = offered::queued())]
    ids: Vec<String>,
    /// With `retry` and `drop`: all that were refused
    #[arg(long, conflicts_with = "ids")]
    refused: bool,
    /// With `drop`: all that wait
    #[arg(long, conflicts_with = "ids")]
    waiting: bool,
    #[command(flatten)]
    list: ListArgs<Message>,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    List,
    Retry,
    Drop,
    Drain,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Queue {
    /// Those that the answer is about, oldest first.
    messages: Vec<Message>,
    /// How many wait now.
    waiting: usize,
    /// How many were refused and are kept.
    refused: usize,
    /// How many were given another try, or forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<usize>,
    #[serde(skip)]
    action: &'static str,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Message {
    queue_id: String,
    /// `waiting` or `refused`.
    state: &'static str,
    /// `message`, `file`, `edit` or `redaction`.
    kind: &'static str,
    /// The room as it was named.
    room: String,
    /// Whom it is sent as.
    user_id: String,
    /// The webhook that took it.
    hook: Option<String>,
    text: String,
    /// Why the homeserver would not take it, or why it waits where it is the first of its room.
    reason: Option<String>,
    transaction_id: String,
    /// When it was left, in milliseconds since 1970.
    at_ms: u64,
}

impl Message {
    fn waiting(entry: &Entry, held: &BTreeMap<String, String>) -> Self {
        let reason = held.get(&entry.id).cloned();
        Self { reason, ..Self::of(entry, None) }
    }

    fn of(entry: &Entry, reason: Option<&str>) -> Self {
        let Draft { hook, user, room, what, at, .. } = &entry.draft;
        Self {
            queue_id: entry.id.clone(),
            state: if reason.is_some() { "refused" } else { "waiting" },
            kind: what.kind(),
            room: room.clone(),
            user_id: user.to_string(),
            hook: hook.clone(),
            text: what.shown().to_owned(),
            reason: reason.map(str::to_owned),
            transaction_id: entry.transaction().to_string(),
            at_ms: *at,
        }
    }
}

/// All there is in a queue.
struct All {
    waiting: Vec<Message>,
    refused: Vec<Message>,
}

impl All {
    fn of(outbox: &Path) -> Result<Self, Failure> {
        let waiting = look::waiting(outbox)?;
        let (letters, held) = (dead::all(outbox)?, held::all(outbox));
        Ok(Self {
            waiting: waiting.iter().map(|entry| Message::waiting(entry, &held)).collect(),
            refused: letters
                .iter()
                .map(|Letter { reason, entry }| Message::of(entry, Some(reason)))
                .collect(),
        })
    }

    fn answer(self, action: &'static str, messages: Vec<Message>, changed: Option<usize>) -> Queue {
        let (waiting, refused) = (self.waiting.len(), self.refused.len());
        Queue { messages, waiting, refused, changed, action }
    }
}

/// What is in it, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Waiting {
    /// How many wait now.
    waiting: usize,
    /// How many were refused and are kept.
    refused: usize,
}

impl Listed for Waiting {
    type Row = Message;
    const KEY: &'static str = "messages";
    const ORDER: &'static str = "Oldest first.";
}

one_said!(Answer {
    Listed(List<Waiting> => Document<Waiting>),
    Changed(Reply<Queue> => Queue),
});

pub(crate) async fn run(args: Args, context: &Context) -> Result<Answer, Stop> {
    let data = context.data()?;
    let changed = match args.action {
        Action::List => return list(args, &data).map(Answer::Listed),
        Action::Retry => retry(&args, context, &data).await,
        Action::Drop => drop_some(&args, context, &data).await,
        Action::Drain => drain(&args, context, &data).await,
    };
    changed.map(Answer::Changed)
}

/// Those that were named; one that is not there is an error, before anything changes.
fn named(args: &Args, known: &[Message]) -> Result<BTreeSet<String>, Failure> {
    let known: BTreeSet<&str> = known.iter().map(|it| it.queue_id.as_str()).collect();
    if let Some(absent) = args.ids.iter().find(|id| !known.contains(id.as_str())) {
        return Err(Failure::request(format!("there is no message `{absent}` in the queue"))
            .hinted("`content queue list` shows what waits and what was refused"));
    }
    Ok(args.ids.iter().cloned().collect())
}

fn nothing_named(action: &str, how: &str) -> Failure {
    Failure::request(format!("it is not said which messages to {action}"))
        .hinted(format!("name them as `content queue list` does, or give {how}"))
}

fn list(args: Args, data: &DataDir) -> Result<List<Waiting>, Stop> {
    let all = All::of(&data.outbox())?;
    let mut messages = [&all.waiting[..], &all.refused].concat();
    if !args.ids.is_empty() {
        let named = named(&args, &messages)?;
        messages.retain(|message| named.contains(&message.queue_id));
    }
    let only = |state: &str| match (args.waiting, args.refused) {
        (true, false) => state == "waiting",
        (false, true) => state == "refused",
        _ => true,
    };
    messages.retain(|message| only(message.state));
    messages.sort_by_key(|message| message.at_ms);
    let (waiting, refused) = (all.waiting.len(), all.refused.len());
    Ok(List::of(args.list, Waiting { waiting, refused }, messages))
}

async fn retry(args: &Args, context: &Context, data: &DataDir) -> Answered<Queue> {
    let outbox = data.outbox();
    let all = All::of(&outbox)?;
    if !args.refused && args.ids.is_empty() {
        return Err(nothing_named("send again", "`--refused` for all of them").into());
    }
    let known = [&all.waiting[..], &all.refused].concat();
    let named = named(args, &known)?;
    let is_wanted = |id: &String| args.refused || named.contains(id);
    let mut messages: Vec<Message> =
        all.refused.iter().filter(|it| is_wanted(&it.queue_id)).cloned().collect();
    context.would(format_args!("send {} messages again", messages.len()))?;
    if !messages.is_empty() {
        // Somebody else may do the same: what they took is theirs.
        messages.clear();
        dead::take(
            &outbox,
            |letter| is_wanted(&letter.entry.id),
            |letters| {
                if letters.is_empty() {
                    return Ok(());
                }
                let again = |Letter { entry, .. }: Letter| Draft {
                    // The same to the server, and new to the journal, which is done with the other.
                    transaction: Some(entry.transaction().to_string()),
                    waited: false,
                    at: outbox::now(),
                    ..entry.draft
                };
                let put = Intake::open(data)?.put(letters.into_iter().map(again).collect())?;
                // By their new names.
                messages = put.iter().map(|entry| Message::of(entry, None)).collect();
                Ok::<_, outbox::Error>(())
            },
        )?;
        ensure_sent(context, data).await?;
    }
    let changed = messages.len();
    let answer = All::of(&outbox)?.answer("retry", messages, Some(changed));
    Ok(Reply::done_if(changed > 0, answer))
}

async fn drop_some(args: &Args, context: &Context, data: &DataDir) -> Answered<Queue> {
    let outbox = data.outbox();
    let all = All::of(&outbox)?;
    if !args.refused && !args.waiting && args.ids.is_empty() {
        return Err(nothing_named("drop", "`--refused` or `--waiting` for all of them").into());
    }
    let known = [&all.waiting[..], &all.refused].concat();
    let named = named(args, &known)?;
    let waiting = |id: &String| args.waiting || named.contains(id);
    let refused = |id: &String| args.refused || named.contains(id);
    let mut messages: Vec<Message> =
        all.waiting.iter().filter(|it| waiting(&it.queue_id)).cloned().collect();
    let mut letters: Vec<Message> =
        all.refused.iter().filter(|it| refused(&it.queue_id)).cloned().collect();
    context.would(format_args!("forget {} messages", messages.len() + letters.len()))?;
    if !messages.is_empty() {
        let mut intake = Intake::open(data)?;
        // Somebody else may do the same: what they drop is theirs, and no longer waits.
        let still: BTreeSet<String> =
            look::waiting(&outbox)?.into_iter().map(|entry| entry.id).collect();
        messages.retain(|message| still.contains(&message.queue_id));
        let ids: Vec<String> = messages.iter().map(|it| it.queue_id.clone()).collect();
        if !ids.is_empty() {
            intake.drop(&ids)?;
        }
        drop(intake);
        // Whoever sends has to know it before this is said.
        let deadline = Instant::now() + args.patience.timeout();
        while service_runs(data) && outbox::wishes(&outbox) {
            if Instant::now() > deadline {
                return Err(Failure::environment("what sends messages has not answered yet")
                    .hinted("nothing is lost: `content queue list` shows it; `logs hooks` says why")
                    .into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    if !letters.is_empty() {
        letters.clear();
        dead::take(
            &outbox,
            |letter| refused(&letter.entry.id),
            |taken| {
                outbox::attachments::forget(data, taken.iter().map(|letter| &letter.entry));
                letters.extend(taken.iter().map(|it| Message::of(&it.entry, Some(&it.reason))));
                Ok::<_, outbox::Error>(())
            },
        )?;
    }
    messages.extend(letters);
    let changed = messages.len();
    let answer = All::of(&outbox)?.answer("drop", messages, Some(changed));
    Ok(Reply::done_if(changed > 0, answer))
}

async fn drain(args: &Args, context: &Context, data: &DataDir) -> Answered<Queue> {
    let outbox = data.outbox();
    let deadline = Instant::now() + args.patience.timeout();
    let mut left = look::waiting(&outbox)?.len();
    let was = left;
    context.would(format_args!("wait until {was} messages are sent"))?;
    if was > 0 {
        ensure_sent(context, data).await?;
    }
    let progress = context.progress(format!("{was} messages wait"));
    while left > 0 {
        progress.now(format!("{left} of {was} messages wait"));
        if Instant::now() > deadline {
            let waited = args.patience.timeout().as_secs();
            let failure = Failure::environment(format!(
                "{left} messages are not sent after {waited} seconds"
            ));
            return Err(Stop::from(failure.hinted(
                "they stay in the queue: `content queue list` shows them, `logs hooks` says what they wait for",
            )));
        }
        tokio::time::sleep(LOOK).await;
        left = look::waiting(&outbox)?.len();
    }
    drop(progress);
    Ok(Reply::done(All::of(&outbox)?.answer("drain", Vec::new(), None)))
}

impl Queue {
    fn names(&self) -> String {
        let names: Vec<&str> = self.messages.iter().map(|it| it.queue_id.as_str()).collect();
        names.join("\n")
    }
}

impl Report for Queue {
    fn text(&self, page: &mut String) -> fmt::Result {
        let many = |count: usize| if count == 1 { "1 message" } else { "messages" };
        let count = |count: usize| match count {
            1 => many(1).to_owned(),
            count => format!("{count} {}", many(count)),
        };
        match (self.action, self.changed) {
            ("retry", Some(0)) => page.write_str("nothing was refused"),
            ("retry", Some(1)) => write!(page, "1 message will be sent again, as {}", self.names()),
            ("retry", Some(changed)) => write!(page, "{} will be sent again", count(changed)),
            ("drop", Some(0)) => page.write_str("there is nothing to drop"),
            ("drop", Some(changed)) => write!(page, "dropped {}", count(changed)),
            _ => {
                let refused = match self.refused {
                    0 => String::new(),
                    refused => format!("; {} refused: `content queue list`", count(refused)),
                };
                write!(page, "nothing waits to be sent{refused}")
            }
        }
    }

    fn ids(&self) -> Option<String> {
        Some(self.names())
    }
}

impl Row for Message {
    const HEADING: &'static [&'static str] = &["ID", "STATE", "ROOM", "SINCE", "TEXT OR REASON"];

    fn cells(&self) -> Vec<String> {
        let text = self.reason.as_deref().unwrap_or(&self.text);
        let line = text.lines().next().unwrap_or_default();
        let mut shown: String = line.chars().take(SHOWN).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        let state = if self.kind == "message" {
            self.state.to_owned()
        } else {
            format!("{} ({})", self.state, self.kind)
        };
        let Self { queue_id, room, at_ms, .. } = self;
        vec![queue_id.clone(), state, room.clone(), clock::of_ms(*at_ms), shown]
    }

    fn id(&self) -> Cow<'_, str> {
        self.queue_id.as_str().into()
    }
}
