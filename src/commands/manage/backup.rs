//! `manage backup`: `make`, `list`, `show`, `verify`, `remove` and `schedule`.

use std::{
    fmt::{self, Write as _},
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ruma::TransactionId;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    restore::{absolute, bring_back, shown},
    schedule,
};
use crate::{
    backup::{
        self as archive, Manifest,
        read::Reader,
        record::{Known, Record},
    },
    clock,
    commands::{Answered, Reply},
    config,
    context::{Context, Own},
    error::Failure,
    files,
    instance::{
        backup::{
            self, Error, Made, store,
            verify::{Compared, compare},
        },
        guard,
        lifecycle::{start, stop},
    },
    matrix::{api::create_room, message},
    output::Report,
    process::{Ending, Lock},
    python,
    reply::{Interrupted, Outcome},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to do: make one, list those there are, show what one holds, try whether one can be restored, remove one, or
    /// say when they are made
    #[arg(value_name = "ACTION", default_value = "make")]
    action: Action,
    /// The backup, with `show`, `verify` and `remove`; with `schedule` when they are made: minute, hour, day, month and
    /// weekday, such as '0 3 * * *' for every night at three. Without it, what is set is shown
    #[arg(value_name = "FILE|WHEN")]
    file: Option<PathBuf>,
    /// Where a new one goes, or the folder to list: a folder, or with a new one a file
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,
    #[command(flatten)]
    schedule: schedule::Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    Make,
    List,
    Show,
    Verify,
    Remove,
    Schedule,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Those that the answer is about, oldest first.
    backups: Vec<Kept>,
    /// What came out of the trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Verified>,
    /// When they are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<schedule::Planned>,
    /// Whether one was made or removed, or the schedule is another one.
    changed: bool,
    #[serde(skip)]
    action: Action,
}

impl Answer {
    fn of(action: Action, backups: Vec<Kept>) -> Self {
        let changed = matches!(action, Action::Make | Action::Remove);
        Self { backups, verified: None, schedule: None, changed, action }
    }
}

/// A backup that there is.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Kept {
    path: PathBuf,
    /// In bytes.
    size: u64,
    /// What it says of itself; nothing where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Manifest>,
    /// What came out of it when it was last tried on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried: Option<Tried>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Tried {
    /// RFC 3339, UTC.
    at: String,
    good: bool,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl Kept {
    /// With what is known of it.
    fn known(self, record: &Record) -> Self {
        let found = self.path.to_str().and_then(|place| record.of(place)?.tried.clone());
        let tried = found.map(|it| Tried {
            at: it.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            good: it.fault.is_none(),
            fault: it.fault,
        });
        Self { tried, ..self }
    }
}

/// A backup that was restored and tried.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Verified {
    compared: Compared,
    /// The message that was sent and read on the restored server.
    event_id: String,
    /// How long it took to restore and to compare, in seconds.
    restored_in: f64,
    /// How long the restored server took to start, in seconds.
    started_in: f64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    if args.action == Action::Schedule {
        let asked =
            schedule::run(context, args.file.as_deref(), args.to.as_deref(), &args.schedule);
        let Reply { outcome, answer: planned } = asked.await?;
        let changed =
            outcome == Outcome::Done && (args.file.is_some() || args.schedule.are_given());
        let answer = Answer::of(Action::Schedule, Vec::new());
        return Ok(Reply {
            outcome,
            answer: Answer { schedule: Some(planned), changed, ..answer },
        });
    }
    if args.schedule.are_given() {
        return Err(
            Failure::request("`--keep`, `--verify` and `--off` are for `schedule` alone").into()
        );
    }
    if args.to.is_some() && !matches!(args.action, Action::Make | Action::List) {
        return Err(Failure::request("`--to` is for `make`, `list` and `schedule` alone").into());
    }
    match (args.action, args.file) {
        (Action::Make, None) => {
            let set = &context.config()?.backup.to;
            let set = (!set.is_empty()).then(|| PathBuf::from(set));
            if let (None, Some(folder)) = (&args.to, &set)
                && !folder.is_dir()
                && !folder.to_string_lossy().contains("://")
            {
                // A disk that is not mounted must not become a file.
                return Err(Failure::from(Error::NoFolder(folder.clone())).into());
            }
            make(context, args.to.or(set).as_deref()).await
        }
        (Action::List, None) => list(context, args.to.as_deref()),
        (Action::Show, Some(file)) => Ok(Reply::done(Answer::of(Action::Show, vec![look(&file)?]))),
        (Action::Verify, Some(file)) => Box::pin(verify(context, &file)).await,
        (Action::Remove, Some(file)) => remove(context, file),
        (Action::Make | Action::List, Some(file)) => {
            let why = format!("`{}` has no place there", file.display());
            Err(Failure::request(why).hinted("`--to PATH` says where it goes").into())
        }
        (Action::Schedule, Some(_)) | (_, None) => {
            Err(Failure::request("which backup is not said")
                .hinted("`manage backup list` shows those there are")
                .into())
        }
    }
}

async fn make(context: &Context, to: Option<&Path>) -> Answered<Answer> {
    guard::homeserver(context.config()?)?;
    context.would("make a backup of the database, the media, keys, secrets and settings")?;
    let mut signals = Ending::new()?;
    let config = context.config()?;
    let progress = context.progress("making a backup");
    let deadline = tokio::time::Instant::now() + config.supervision.start_timeout.0;
    let began = Instant::now();
    let mut on_progress = |so_far: backup::Progress| {
        progress.now(format!("making a backup: {}", left(so_far, began.elapsed())));
    };
    let made = tokio::select! {
        made = backup::make(config, to, deadline, &mut on_progress) => made?,
        signal = signals.next() => {
            let said = "interrupted before the backup was whole".to_owned();
            return Err(Failure::from(Interrupted { signal, said })
                .hinted("nothing half-made is left under its name")
                .into());
        }
    };
    drop(progress);
    context.warn("the backup is not encrypted and holds all secrets of this server: keep it where nobody else can read it");
    if let Some(bucket) = &made.manifest.bucket {
        context.warn(format!("files that are only in the bucket `{bucket}` are not in the backup"));
    }
    let Made { path, size, manifest, based } = made;
    if let Err(why) = based {
        // The backup itself is whole.
        context.warn(format!(
            "no base backup was made, so that moments after this one take longer to reach: {why}"
        ));
    }
    let known = Known {
        // What stands in a note has to hold in every folder.
        place: absolute(&path)?.to_string_lossy().into_owned(),
        made_at: manifest.made_at.parse().unwrap_or_else(|_| clock::now()),
        size,
        scheduled: false,
        tried: None,
    };
    Record::change(&config.data, |it| it.made(known))?;
    let kept = Kept { path, size, manifest: Some(manifest), tried: None };
    Ok(Reply::done(Answer::of(Action::Make, vec![kept])))
}

/// How far it is and how long the rest takes, as far as that can be known.
fn left(so_far: backup::Progress, after: Duration) -> String {
    let done = shown(so_far.done);
    if so_far.done == 0 || so_far.done >= so_far.all {
        return done;
    }
    let rest = so_far.all - so_far.done;
    // In milliseconds, which no backup has too many of.
    let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    let rest = after.saturating_mul(rest) / so_far.done / 1000 + 1;
    format!("{done} of about {}, {} s left", shown(so_far.all), rest)
}

fn look(file: &Path) -> Result<Kept, Failure> {
    let manifest = Reader::open(file)?;
    let size = manifest.size;
    Ok(Kept { path: file.to_owned(), size, manifest: Some(manifest.manifest()?), tried: None })
}

fn list(context: &Context, folder: Option<&Path>) -> Answered<Answer> {
    let folder = match folder {
        Some(folder) if !folder.is_dir() => {
            return Err(Failure::from(Error::NoFolder(folder.to_owned())).into());
        }
        Some(folder) => folder.to_owned(),
        None => match &context.config()?.backup.to {
            set if Path::new(set).is_dir() => PathBuf::from(set),
            _ => context.data()?.backups(),
        },
    };
    let mut backups = Vec::new();
    let record = Record::read(&context.data()?)?;
    for path in store::list(&absolute(&folder).unwrap_or(folder))? {
        let kept = look(&path).or_else(|_| {
            let size = fs::metadata(&path).map_err(files::Error::io("read", &path))?.len();
            Ok::<_, files::Error>(Kept { path, size, manifest: None, tried: None })
        });
        backups.push(kept?.known(&record));
    }
    Ok(Reply::done(Answer::of(Action::List, backups)))
}

fn remove(context: &Context, path: PathBuf) -> Answered<Answer> {
    if !path.exists() {
        let gone = Kept { path, size: 0, manifest: None, tried: None };
        let answer = Answer { changed: false, ..Answer::of(Action::Remove, vec![gone]) };
        return Ok(Reply::done_if(false, answer));
    }
    // Nothing else is removed by a slip.
    let kept = look(&path)?;
    context.would(format!("remove {}", path.display()))?;
    let place = absolute(&path)?.to_string_lossy().into_owned();
    files::remove(&path)?;
    Record::change(&context.data()?, |it| it.removed(&place))?;
    Ok(Reply::done(Answer::of(Action::Remove, vec![kept])))
}

/// Settings with which a restored server disturbs nobody: no ports of the one that runs, no other servers, no
/// stores and no logins elsewhere.
fn apart() -> Result<Vec<Own>, Failure> {
    let own = |key: &'static str, value: &str| Own { key, word: "verify", value: value.to_owned() };
    let mut settings = vec![
        own("database.kind", "embedded"),
        own("server.address", "127.0.0.1"),
        own("stack.profile", "core"),
        own("synapse.federation", "off"),
        own("media.s3_bucket", ""),
        own("oidc.issuer", ""),
        own("turn.enabled", "false"),
        own("alerts.room", ""),
        own("backup.schedule", ""),
        own("backup.point_in_time", "false"),
        own("web.client", ""),
    ];
    let failed = |error| files::Error::io("find a free port", Path::new("127.0.0.1"))(error);
    let mut taken = Vec::new();
    for setting in config::port_settings() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        // Held until all are chosen, so that no two are the same.
        taken.push(listener);
        settings.push(own(setting.key, &port.to_string()));
    }
    Ok(settings)
}

/// Nothing is pushed to anybody's telephone, whatever the settings of Synapse's own say.
const SILENT: &str = "start_pushers: false\nsend_federation: false\n";

async fn verify(context: &Context, file: &Path) -> Answered<Answer> {
    let file = absolute(file)?;
    context.would(format!(
        "restore {} beside, start it, compare it and remove it again",
        file.display()
    ))?;
    let data = context.data()?;
    data.create()?;
    let folder = data.root().join("run").join("verify");
    let there = context.elsewhere(folder.clone(), apart()?);
    let mut signals = Ending::new()?;
    let _lock = Lock::try_acquire(&data.run().join("verify.lock"), "manage backup verify")?;
    clear(&there, &folder).await?;
    there.data()?.create()?;
    python::lend(&data.environments(), &there.data()?.environments())?;
    let tried = tokio::select! {
        tried = tried(&there, &file) => tried,
        signal = signals.next() => {
            Err(Interrupted { signal, said: "interrupted before the backup was tried".into() }.into())
        }
    };
    // Also after an error: what was restored is nobody's.
    let cleared = clear(&there, &folder).await;
    let place = file.to_string_lossy();
    match &tried {
        Ok(_) => Record::change(&data, |it| it.tried(&place, None))?,
        Err(why) if is_of_the_backup(why) => {
            Record::change(&data, |it| it.tried(&place, Some(why.to_string())))?;
        }
        Err(_) => {}
    }
    let verified = tried?;
    cleared?;
    if !verified.compared.missing.is_empty() {
        context.warn(format!(
            "{} files that the database knows are not in the backup; they were missing on the server as well",
            verified.compared.missing.len()
        ));
    }
    let answer = Answer::of(Action::Verify, vec![look(&file)?]);
    Ok(Reply::done(Answer { verified: Some(verified), ..answer }))
}

/// Whether that is wrong with the backup, and not with the machine on which it was tried.
fn is_of_the_backup(why: &Failure) -> bool {
    let error = &why.error;
    error.downcast_ref::<archive::Error>().is_some_and(archive::Error::is_of_the_archive)
        || matches!(error.downcast_ref(), Some(Error::Differs(_)))
}

async fn tried(there: &Context, file: &Path) -> Result<Verified, Failure> {
    let began = Instant::now();
    let manifest = bring_back(there, file, None, &mut |unpacked| {
        // What bridges and webhooks would do, they would do to real people.
        files::remove(&unpacked.join("bridges"))?;
        files::remove(&unpacked.join("outbox"))?;
        files::private_folder(&unpacked.join("homeserver.d"))?;
        let silent = unpacked.join("homeserver.d/zz-verify.yaml");
        files::write_atomically(&silent, SILENT.as_bytes(), files::PRIVATE)
    })
    .await?;
    let config = there.config_now()?;
    let timeout = config.supervision.start_timeout.0;
    let compared = compare(&config, &manifest, tokio::time::Instant::now() + timeout).await?;
    let restored_in = began.elapsed().as_secs_f64();
    let services = Vec::new();
    let options =
        start::Options { services, timeout, force: true, keep_profile: false, standby: None };
    super::start::go(there, options).await?;
    let started_in = began.elapsed().as_secs_f64() - restored_in;
    let event_id = spoken(there).await?;
    Ok(Verified { compared, event_id, restored_in, started_in })
}

/// Sends a message in a room of its own and reads it back; its id.
async fn spoken(there: &Context) -> Result<String, Failure> {
    let client = there.operator(Duration::from_secs(30))?;
    let room = create_room::Request {
        preset: create_room::Preset::PrivateChat,
        name: Some("Verification".into()),
        ..create_room::Request::default()
    };
    let room = client.send(room).await?.room_id;
    let content = message::text("restored", message::Markup::Plain, false);
    let id = TransactionId::new();
    let event = message::send(&client, &room, &content, &id).await?;
    message::require_same(&client, &event, &content, &id).await?;
    Ok(event.into())
}

/// Stops and removes what was restored, also what one left that was killed.
async fn clear(there: &Context, folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        let timeout = super::stop::PATIENCE;
        super::stop::go(there, stop::Options { timeout, force: true }).await?;
        files::remove(folder)?;
    }
    Ok(())
}

impl Kept {
    fn line(&self, page: &mut String) -> fmt::Result {
        let Self { path, size, manifest, tried } = self;
        let tried = match tried {
            Some(Tried { at, fault: None, .. }) => format!("verified {at}"),
            Some(Tried { fault: Some(fault), .. }) => format!("not good: {fault}"),
            None => "not verified".to_owned(),
        };
        match manifest {
            Some(it) => writeln!(
                page,
                "{}  {}  {}  {}  {tried}",
                it.made_at,
                shown(*size),
                it.server_name,
                path.display()
            ),
            None => writeln!(page, "cannot be read  {}  {}", shown(*size), path.display()),
        }
    }
}

fn describe(manifest: &Manifest, page: &mut String) -> fmt::Result {
    let Manifest { server_name, made_at, synapse, postgres, key, counts, bridges, bucket, .. } =
        manifest;
    writeln!(page, "{server_name} as it was at {made_at}")?;
    writeln!(page, "Synapse {synapse}, PostgreSQL {postgres}, signing key {key}")?;
    writeln!(
        page,
        "{} accounts, {} rooms, {} events, {} files",
        counts.users, counts.rooms, counts.events, counts.media
    )?;
    if !bridges.is_empty() {
        writeln!(page, "databases of bridges: {}", bridges.join(", "))?;
    }
    if let Some(bucket) = bucket {
        writeln!(page, "files that are only in the bucket `{bucket}` are not in it")?;
    }
    Ok(())
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        if let Some(planned) = &self.schedule {
            return planned.text(page);
        }
        for kept in &self.backups {
            let (path, size) = (kept.path.display(), shown(kept.size));
            match self.action {
                Action::List => kept.line(page)?,
                Action::Make => writeln!(page, "made: {path} ({size})")?,
                Action::Show => writeln!(page, "{path} ({size})")?,
                Action::Verify => writeln!(page, "good: {path} ({size})")?,
                Action::Remove if self.changed => writeln!(page, "removed {path}")?,
                Action::Remove => writeln!(page, "there is no {path}")?,
                Action::Schedule => {}
            }
            if let (Some(manifest), Action::Make | Action::Show | Action::Verify) =
                (&kept.manifest, self.action)
            {
                describe(manifest, page)?;
            }
            match self.action {
                Action::Make => writeln!(page, "`manage backup verify {path}` tries it")?,
                Action::Show => page.push_str(
                    "messages that were redacted in the week before it was made are in it with their text\n",
                ),
                _ => {}
            }
        }
        if self.backups.is_empty() {
            writeln!(page, "no backups: `manage backup` makes one")?;
        }
        if let Some(Verified { compared, restored_in, started_in, .. }) = &self.verified {
            let Compared { media, hashed, missing, .. } = compared;
            writeln!(
                page,
                "restored in {restored_in:.1} s; the same number of accounts, rooms and events, the same key"
            )?;
            let missing = missing.len();
            writeln!(
                page,
                "{media} files are there, {hashed} of them compared by hash, {missing} missing"
            )?;
            writeln!(page, "started in {started_in:.1} s; a message was sent and read")?;
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        match &self.backups[..] {
            [kept] => kept.path.to_str(),
            _ => None,
        }
    }
}
