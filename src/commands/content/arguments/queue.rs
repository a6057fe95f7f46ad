//! Sending later: what is left on the disk, and what became of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use data_encoding::HEXLOWER;
use ruma::{OwnedEventId, OwnedServerName, OwnedUserId};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Sending, room::resolved, user};
use crate::{
    commands::{Answered, Reply},
    context::Context,
    data_dir::DataDir,
    error::Failure,
    files,
    instance::lifecycle::{hooks::take_up, one::Taken},
    matrix::{self, client, direct, message, names, segment, session, thread::Place},
    outbox::{
        self,
        answers::{self, Became},
        entry::{Draft, What},
        intake::Intake,
        service_runs,
    },
    output::Sentence,
    reply::Stop,
};

/// Between two looks whether a message was sent.
const LOOK: Duration = Duration::from_millis(20);
/// How long an address that led to a room is believed to do so.
const FRESH: Duration = Duration::from_mins(1);
/// How long the homeserver may take to say whether there is a room.
const BRIEF: Duration = Duration::from_secs(2);
/// More are not left at once: whoever sends them has them in its memory.
const MOST: usize = 100_000;

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct QueueArg {
    /// Leave it on the disk and be done: it is sent as soon as the homeserver takes it
    #[arg(long)]
    pub(crate) queue: bool,
    /// With `--queue`: wait until it is sent
    #[arg(long, requires = "queue")]
    pub(crate) wait: bool,
}

/// What a verb did, or left to be done.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum NowOrLater<A> {
    Now(A),
    Later(Left),
}

/// What was left to be sent.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Left {
    /// Whether it is in the queue: false once it is known to be sent.
    pub(crate) queued: bool,
    pub(crate) messages: Vec<Message>,
    pub(crate) total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Message {
    /// Its name in `content queue`.
    pub(crate) queue_id: String,
    /// The room as it was named.
    pub(crate) room: String,
    /// A repeat with it leaves nothing more.
    pub(crate) transaction_id: String,
    /// The event that it is, where that was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_id: Option<String>,
}

impl<A: Sentence> Sentence for NowOrLater<A> {
    fn sentence(&self) -> String {
        match self {
            Self::Now(now) => now.sentence(),
            Self::Later(later) => later.sentence(),
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Now(now) => now.id(),
            Self::Later(later) => later.id(),
        }
    }

    fn ids(&self) -> String {
        match self {
            Self::Now(now) => now.ids(),
            Self::Later(later) => later.ids(),
        }
    }
}

impl Sentence for Left {
    fn sentence(&self) -> String {
        let done = if self.queued { "queued" } else { "sent" };
        match self.messages.as_slice() {
            [one] => format!("{done} {}", one.id()),
            many => format!("{done} {} messages", many.len()),
        }
    }

    fn id(&self) -> &str {
        self.messages.last().map(Message::id).unwrap_or_default()
    }

    fn ids(&self) -> String {
        self.messages.iter().map(Message::id).collect::<Vec<_>>().join("\n")
    }
}

impl Message {
    fn id(&self) -> &str {
        self.event_id.as_deref().unwrap_or(&self.queue_id)
    }
}

/// Something to be left: where, and what.
pub(crate) struct Later {
    pub(crate) room: String,
    pub(crate) what: What,
    pub(crate) place: Place,
    /// With one a repeat leaves nothing more.
    pub(crate) transaction: Option<String>,
}

/// Who leaves something: known without the homeserver.
pub(crate) struct Account {
    pub(crate) user: OwnedUserId,
    pub(crate) server: OwnedServerName,
}

impl Account {
    pub(crate) fn of(context: &Context, sending: &Sending) -> Result<Self, Failure> {
        let file = session::operator_file(&context.data()?);
        let operator = session::Session::load(&file)?
            .ok_or_else(|| matrix::Error::NoSession("the operator".to_owned()))?;
        let server = operator.server_name;
        let user = match sending.acting.as_deref() {
            Some(name) => names::user(name, &server)?,
            None => operator.user_id,
        };
        Ok(Self { user, server })
    }

    /// Whom a message wakes: nobody is asked whether they are there.
    pub(crate) fn mentioned(&self, users: &[String]) -> Result<Vec<OwnedUserId>, Failure> {
        users.iter().map(|name| Ok(names::anyone(name, &self.server)?)).collect()
    }
}

impl QueueArg {
    /// Leaves these, all or none, in this order.
    pub(crate) async fn leave(
        self,
        context: &Context,
        sending: &Sending,
        account: &Account,
        all: Vec<Later>,
    ) -> Answered<Left> {
        let data = context.data()?;
        if all.len() > MOST {
            let many = all.len();
            return Err(Failure::request(format!("{many} messages are too many at once"))
                .hinted(format!("nothing was left: split them, {MOST} are allowed"))
                .into());
        }
        for later in &all {
            let room = names::room(&later.room, &account.server)?;
            if let What::Content(content) = &later.what {
                // With the mark that it will have.
                let mut content = content.clone();
                content[message::MARK] = "-".repeat(64).into();
                message::check_size(&content)?;
            }
            if !matches!(room, names::Room::Id(_)) {
                require_room(context, &data, account, &later.room).await?;
            }
        }
        if sending.acting.is_some() {
            require_user(&data, account).await?;
        }
        context.would(format_args!("leave {} messages to be sent", all.len()))?;
        let mut messages = Vec::with_capacity(all.len());
        {
            let mut intake = Intake::open(&data)?;
            let keyed = all.iter().any(|later| later.transaction.is_some());
            let said = if keyed { intake.said()? } else { BTreeMap::new() };
            let mut drafts = Vec::new();
            for later in all {
                let (room, given) = (later.room.clone(), later.transaction.clone());
                let draft = self.draft(account, later);
                if let Some((id, body)) = draft.key.as_ref().and_then(|key| said.get(key)) {
                    if *body != draft.body {
                        let id = given.unwrap_or_default();
                        return Err(matrix::Error::OtherWords { id }.into());
                    }
                    let queue_id = id.clone();
                    let transaction_id = given.unwrap_or_default();
                    messages.push(Message { queue_id, room, transaction_id, event_id: None });
                    continue;
                }
                drafts.push(draft);
            }
            messages.extend(put(&mut intake, drafts)?);
        }
        ensure_sent(context, &data).await?;
        let total = messages.len();
        let mut left = Left { queued: true, messages, total };
        if self.wait {
            await_all(&data, sending, &mut left).await?;
        }
        Ok(Reply::done(left))
    }

    fn draft(self, account: &Account, later: Later) -> Draft {
        let Later { room, what, place, transaction } = later;
        let hash = |parts: &[&str]| HEXLOWER.encode(&Sha256::digest(parts.join("\0"))[..16]);
        let key = transaction.as_ref().map(|id| hash(&[account.user.as_str(), &room, id]));
        let word = |id: &Option<OwnedEventId>| id.as_ref().map(ToString::to_string);
        let (to, said) = (word(&place.reply_to).unwrap_or_default(), what.said());
        let thread = word(&place.thread);
        let parts = [room.as_str(), &to, &said].into_iter().chain(thread.as_deref());
        let body = key.is_some().then(|| hash(&parts.collect::<Vec<_>>()));
        Draft {
            hook: None,
            user: account.user.clone(),
            room,
            what,
            place,
            transaction,
            key,
            body,
            waited: self.wait,
            at: outbox::now(),
        }
    }
}

fn put(intake: &mut Intake, drafts: Vec<Draft>) -> Result<Vec<Message>, Failure> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let entries = intake.put(drafts)?;
    let message = |entry: outbox::entry::Entry| {
        let transaction_id = entry.transaction().to_string();
        Message { queue_id: entry.id, room: entry.draft.room, transaction_id, event_id: None }
    };
    Ok(entries.into_iter().map(message).collect())
}

/// Refuses an address that leads nowhere, as long as the homeserver can be asked.
async fn require_room(
    context: &Context,
    data: &DataDir,
    account: &Account,
    text: &str,
) -> Result<(), Failure> {
    let known = data.cache().join("rooms").join(segment::escaped(text));
    let seen = std::fs::metadata(&known).and_then(|file| file.modified()).ok();
    let age = seen.and_then(|seen| SystemTime::now().duration_since(seen).ok());
    if age.is_some_and(|age| age < FRESH) {
        return Ok(());
    }
    let operator = client::operator(data, BRIEF)?;
    let found = match names::room(text, &account.server)? {
        // It is made when the first message is sent; until then only the other has to be there.
        names::Room::Direct(other) => direct::require(&operator, &account.user, &other).await,
        _ => resolved(context, &operator, text).await.map(drop),
    };
    match found {
        Ok(()) => {
            // Only its time counts; a disk that is full costs a request next time.
            if known.parent().is_some_and(|folder| files::private_folder(folder).is_ok()) {
                drop(files::write_atomically(&known, b"", files::PRIVATE));
            }
            Ok(())
        }
        Err(
            error @ (matrix::Error::NoUser(_)
            | matrix::Error::Alone(_)
            | matrix::Error::Deactivated(_)),
        ) => Err(error.into()),
        Err(error) if error.is_about_a_room() => Err(error.into()),
        // It is looked for again when it is sent.
        Err(_) => Ok(()),
    }
}

/// Refuses to send as somebody who is not there: one who has sent before is known, and of others the
/// homeserver is asked as long as it can be.
async fn require_user(data: &DataDir, account: &Account) -> Result<(), Failure> {
    if session::file(data, &account.user).exists() {
        return Ok(());
    }
    let operator = client::operator(data, BRIEF)?;
    match user::find(&operator, &account.user).await {
        Ok(None) => Err(matrix::Error::NoUser(account.user.to_string()).into()),
        Ok(Some(_)) | Err(_) => Ok(()),
    }
}

/// Has what was left sent, where the homeserver runs.
pub(crate) async fn ensure_sent(context: &Context, data: &DataDir) -> Result<(), Failure> {
    if service_runs(data) {
        return Ok(());
    }
    match take_up(context.config()?).await {
        Ok(Taken::Now) => {}
        Ok(Taken::Later) => {
            context.warn("the homeserver does not run: it is sent after `manage start`");
        }
        Err(error) => context.warn(format!(
            "it is kept, but what sends it cannot be started: {error}; `manage restart` tries again"
        )),
    }
    Ok(())
}

/// Waits until all of them are sent.
async fn await_all(data: &DataDir, sending: &Sending, left: &mut Left) -> Result<(), Stop> {
    let outbox = data.outbox();
    let deadline = Instant::now() + sending.timeout();
    for message in &mut left.messages {
        let became = loop {
            if let Some(became) = answers::take(&outbox, &message.queue_id)? {
                break became;
            }
            if Instant::now() > deadline {
                let waited = sending.timeout().as_secs();
                let said = format!("`{}` was not sent within {waited} seconds", message.queue_id);
                return Err(Failure::environment(said)
                    .hinted("it stays in the queue and is sent later: `content queue list` shows it, `logs hooks` says what it waits for")
                    .into());
            }
            tokio::time::sleep(LOOK).await;
        };
        let id = &message.queue_id;
        match became {
            Became::Sent(event) => message.event_id = Some(event),
            Became::Refused(reason) => {
                return Err(Failure::request(format!("`{id}` was refused: {reason}"))
                    .hinted(format!("it is kept: `content queue retry {id}` sends it again, `content queue drop {id}` forgets it"))
                    .into());
            }
            Became::Dropped => {
                return Err(Failure::request(format!("`{id}` was taken out of the queue"))
                    .hinted("`content queue list` shows what waits")
                    .into());
            }
        }
    }
    left.queued = false;
    Ok(())
}
