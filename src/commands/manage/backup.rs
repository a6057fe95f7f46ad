//! `manage backup`: `make`, `list`, `show`, `verify`, `remove` and `schedule`.

use std::{
    fmt::{self, Write as _},
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ruma::TransactionId;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    kept::{self, Backups, Kept},
    opening::{Opening, Seen, look, source, waiting},
    restore::{Backup, bring_back, shown},
    schedule,
};
use crate::{
    age::{Keys, To},
    backup::{
        self as archive, Depot, MEDIA_SUMS, Manifest, Source,
        blobs::Stored,
        record::{Known, Record},
    },
    clock,
    commands::{
        Answered, Reply,
        listing::{Document, List, ListArgs, one_said},
    },
    config::{self, sections::backup::Place},
    context::{Context, Own},
    error::Failure,
    files,
    instance::{
        backup::{
            self, Error, Made, Wanted,
            sealing::Sealing,
            store::{self, Target},
            verify::{Compared, compare},
        },
        guard,
        lifecycle::{start, stop},
        moving,
    },
    matrix::{api::create_room, message},
    output::Report,
    process::{Ending, Lock},
    python,
    reply::{Interrupted, Stop},
    s3::objects::Store,
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
    /// Where a new one goes, or what to list: a folder, or `s3://BUCKET/PREFIX`; with a new one also a file, or `-` for the standard output
    #[arg(long, value_name = "PATH", value_parser = Target::typed)]
    to: Option<Target>,
    /// Encrypt a new one for whoever has the secret key of this public one of age, `age1…`
    #[arg(long, value_name = "KEY")]
    recipient: Vec<String>,
    /// The same for all public keys in this file, one a line
    #[arg(long, value_name = "FILE")]
    recipients_file: Option<PathBuf>,
    /// Store each media file once, beside the new one: the next one then costs what is new
    #[arg(long)]
    incremental: bool,
    #[command(flatten)]
    opening: Opening,
    #[command(flatten)]
    list: ListArgs<Kept>,
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

one_said!(Answer {
    Listed(List<Backups> => Document<Backups>),
    Done(Reply<Done> => Done),
});

#[derive(Serialize, JsonSchema)]
pub(crate) struct Done {
    /// Those that the answer is about, oldest first.
    backups: Vec<Kept>,
    /// What came out of the trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Box<Verified>>,
    /// Of an incremental one that was made: what of the media was new.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<Stored>,
    /// When they are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Box<schedule::Planned>>,
    /// Whether one was made or removed, or the schedule is another one.
    changed: bool,
    #[serde(skip)]
    action: Action,
    /// `manage backup`, as it has to be typed for this homeserver.
    #[serde(skip)]
    typed: String,
    /// The flag that opens the new one.
    #[serde(skip)]
    opened: String,
}

impl Done {
    fn of(action: Action, context: &Context, kept: Kept) -> Self {
        let changed = matches!(action, Action::Make | Action::Remove);
        let typed = format!("{} manage backup", context.flag()).trim_start().to_owned();
        let (verified, stored, schedule) = (None, None, None);
        let (backups, opened) = (vec![kept], String::new());
        Self { backups, verified, stored, schedule, changed, action, typed, opened }
    }

    fn planned(planned: schedule::Planned, changed: bool) -> Self {
        let (action, typed) = (Action::Schedule, String::new());
        let (backups, verified, stored) = (Vec::new(), None, None);
        Self {
            backups,
            verified,
            stored,
            schedule: Some(Box::new(planned)),
            changed,
            action,
            typed,
            opened: String::new(),
        }
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

pub(crate) async fn run(args: Args, context: &Context) -> Result<Answer, Stop> {
    let Args {
        action,
        file,
        to,
        recipient,
        recipients_file,
        incremental,
        opening,
        list,
        schedule: options,
    } = args;
    let is_made = action == Action::Make;
    if options.are_given() && action != Action::Schedule {
        return Err(
            Failure::request("`--keep`, `--verify` and `--off` are for `schedule` alone").into()
        );
    }
    if to.is_some() && !matches!(action, Action::Make | Action::List | Action::Schedule) {
        return Err(Failure::request("`--to` is for `make`, `list` and `schedule` alone").into());
    }
    if !is_made && (!recipient.is_empty() || recipients_file.is_some()) {
        return Err(Failure::request("`--recipient` is for `make` alone")
            .hinted("`--identity FILE` names the secret key that opens one")
            .into());
    }
    if incremental && !is_made {
        return Err(Failure::request("`--incremental` is for `make` alone").into());
    }
    if !matches!(action, Action::Schedule)
        && matches!(&to, Some(Target::Place(Place::Folder(path))) if path.as_os_str().is_empty())
    {
        return Err(Failure::request("`--to` is empty").hinted("name a folder with it").into());
    }
    let done = match (action, file) {
        (Action::Schedule, when) => {
            let asked = schedule::run(context, when.as_deref(), to, &options).await?;
            Ok(asked.map(|(planned, changed)| Done::planned(planned, changed)))
        }
        (Action::Make, None) => {
            if !opening.identity.is_empty() {
                return Err(Failure::request("`--identity` has no place with a new backup")
                    .hinted("`--recipient KEY` names the public key that it is encrypted for")
                    .into());
            }
            if opening.passphrase_file.is_some()
                && (!recipient.is_empty() || recipients_file.is_some())
            {
                return Err(Failure::request(
                    "a backup is encrypted for keys or with a passphrase",
                )
                .hinted("leave `--recipient` or `--passphrase-file` out")
                .into());
            }
            let passphrase_file = opening.passphrase_file;
            let sealing = Sealing { recipients: recipient, recipients_file, passphrase_file };
            make(context, to, &sealing, incremental).await
        }
        (Action::List, None) => {
            let is_usual = to.is_none();
            let depot = depot(context, to)?;
            if is_usual {
                elsewhere(context, &depot).await?;
            }
            let keys = opening.keys(context)?;
            let record = Record::read(&context.data()?)?;
            return Ok(Answer::Listed(kept::list(depot, keys, &record, list).await?));
        }
        (Action::Show, Some(file)) => {
            let (source, keys) = (source(context, &file)?, opening.keys(context)?);
            let kept = Kept::of(&source, look(&source, &keys).await?);
            Ok(Reply::done(Done::of(Action::Show, context, kept)))
        }
        (Action::Verify, Some(file)) => Box::pin(verify(context, &file, &opening)).await,
        (Action::Remove, Some(file)) => remove(context, file).await,
        (Action::Make | Action::List, Some(file)) => {
            let why = format!("`{}` has no place there", file.display());
            Err(Failure::request(why).hinted("`--to PATH` says where it goes").into())
        }
        (_, None) => Err(Failure::request("which backup is not said")
            .hinted("`manage backup list` shows those there are")
            .into()),
    };
    done.map(Answer::Done)
}

async fn make(
    context: &Context,
    to: Option<Target>,
    sealing: &Sealing,
    incremental: bool,
) -> Answered<Done> {
    let is_piped = to == Some(Target::Stdout);
    if is_piped && !context.view().is_text() {
        return Err(Failure::request("the backup and its description cannot both be on stdout")
            .hinted("name a file with `--to FILE`, or leave `--format` out")
            .into());
    }
    let config = context.config()?;
    guard::homeserver(config)?;
    guard::here(&config.data)?;
    backup::restore::require_whole(&config.data)?;
    moving::require_whole(&config.data)?;
    let incremental = incremental || (config.backup.incremental && !is_piped);
    let given_up = Arc::new(AtomicBool::new(false));
    let wanted =
        Wanted { to, seal: sealing.to(config)?, incremental, given_up: Arc::clone(&given_up) };
    context.would("make a backup of the database, the media, keys, secrets and settings")?;
    let mut signals = Ending::new()?;
    let progress = context.progress("making a backup");
    let deadline = tokio::time::Instant::now() + config.supervision.start_timeout.0;
    let began = Instant::now();
    let mut on_progress = |so_far: backup::Progress| {
        progress.now(format!("making a backup: {}", left(so_far, began.elapsed())));
    };
    let made = {
        let mut making = std::pin::pin!(backup::make(config, &wanted, deadline, &mut on_progress));
        tokio::select! {
            made = &mut making => made?,
            signal = signals.next() => {
                // It takes back itself what is at a store already.
                given_up.store(true, Ordering::Relaxed);
                tokio::select! {
                    _ = &mut making => {}
                    _ = signals.next() => {}
                }
                let said = "interrupted before the backup was whole".to_owned();
                return Err(Failure::from(Interrupted { signal, said })
                    .hinted("nothing half-made is left under its name")
                    .into());
            }
        }
    };
    drop(progress);
    let Made { source, size, manifest, links, stored, based } = made;
    if wanted.seal.is_none() {
        context.warn("the backup is not encrypted and holds all secrets of this server: keep it where nobody else can read it");
    }
    if let Some(bucket) = &manifest.bucket {
        context.warn(format!("files that are only in the bucket `{bucket}` are not in the backup"));
    }
    for link in links {
        context
            .warn(format!("`{}` is a link: what it leads to is not in the backup", link.display()));
    }
    let is_sealed = wanted.seal.is_some();
    let opened = match (&wanted.seal, &sealing.passphrase_file) {
        (Some(To::Recipients(_)), _) if config.backup.identity_file.is_none() => {
            " --identity KEYFILE".to_owned()
        }
        (Some(To::Passphrase(_)), Some(path)) => format!(" --passphrase-file {}", path.display()),
        _ => String::new(),
    };
    let stdout = || Source { depot: Depot::Folder(PathBuf::new()), name: "-".into() };
    let source = source.unwrap_or_else(stdout);
    if is_piped {
        context.say(format_args!("{} of a backup were written", shown(size)));
    }
    if let Err(why) = based {
        // The backup itself is whole.
        context.warn(format!(
            "no base backup was made, so that moments after this one take longer to reach: {why}"
        ));
    }
    if !is_piped {
        let known = Known {
            // What stands in a note has to hold in every folder.
            place: match &source.depot {
                Depot::Folder(_) => files::absolute(&source.path())?,
                Depot::Bucket(_) => source.path(),
            }
            .to_string_lossy()
            .into_owned(),
            made_at: manifest.made_at.parse().unwrap_or_else(|_| clock::now()),
            size,
            scheduled: false,
            tried: None,
        };
        Record::change(&config.data, |it| it.made(known))?;
    }
    let kept = Kept::of(&source, Seen { manifest, is_encrypted: is_sealed, size });
    Ok(Reply::done(Done { stored, opened, ..Done::of(Action::Make, context, kept) }))
}

/// Where the backups are that are listed.
fn depot(context: &Context, to: Option<Target>) -> Result<Depot, Failure> {
    let place = match to {
        Some(Target::Place(place)) => place,
        Some(Target::Stdout) => {
            return Err(Failure::request("there are no backups in the standard output")
                .hinted("name a folder with `--to`"));
        }
        None => match context.config() {
            Ok(config) => store::usual(config),
            // They can be looked at whatever is wrong with the settings.
            Err(_) => Place::Folder(context.data()?.backups()),
        },
    };
    match place {
        Place::Folder(folder) => {
            if !folder.is_dir() && folder != context.data()?.backups() {
                return Err(Error::NoFolder(folder).into());
            }
            Ok(Depot::Folder(folder))
        }
        Place::Bucket { bucket, prefix } => {
            Ok(Depot::Bucket(Store::of(context.config()?, &bucket, &prefix)?))
        }
    }
}

/// Says where else there are some: where they went before `backup.to` was set.
async fn elsewhere(context: &Context, listed: &Depot) -> Result<(), Failure> {
    let folder = context.data()?.backups();
    if matches!(listed, Depot::Folder(it) if *it == folder) {
        return Ok(());
    }
    let own = Depot::Folder(folder.clone());
    let more = waiting(move || store::list(&own)).await?.len();
    if more > 0 {
        let folder = folder.display();
        context.say(format_args!(
            "{more} more are in `{folder}`: `manage backup list --to {folder}` shows them"
        ));
    }
    Ok(())
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

async fn remove(context: &Context, path: PathBuf) -> Answered<Done> {
    let is_file = !path.to_string_lossy().contains("://");
    let source =
        if is_file && !path.exists() { Source::file(&path)? } else { source(context, &path)? };
    let there = source.clone();
    let Some(size) = waiting(move || there.size()).await? else {
        let gone = Kept::outside(&source, 0, None);
        let answer = Done { changed: false, ..Done::of(Action::Remove, context, gone) };
        return Ok(Reply::done_if(false, answer));
    };
    // Nothing else is removed by a slip.
    let kept = match look(&source, &Keys::default()).await {
        Ok(seen) => Kept::of(&source, seen),
        // Whoever may remove it need not have its key.
        Err(crate::backup::Error::Sealed { .. }) => Kept::outside(&source, size, None),
        Err(error) => return Err(error.into()),
    };
    context.would(format!("remove {}", path.display()))?;
    let path = source.path();
    let swept = waiting(move || backup::remove(&source)).await?;
    if swept.unlisted > 0 {
        context.warn(format!(
            "what media {} backups beside `{}` need is not known, so no media were removed",
            swept.unlisted,
            path.display()
        ));
    }
    let place = path.to_string_lossy().into_owned();
    Record::change(&context.data()?, |it| it.removed(&place))?;
    Ok(Reply::done(Done::of(Action::Remove, context, kept)))
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

/// Nothing is pushed to anybody's telephone, whatever the settings of Synapse's own say; and nobody keeps keys beside.
const SILENT: &str = "start_pushers: false\nsend_federation: false\nencryption_enabled_by_default_for_room_type: 'off'\n";

async fn verify(context: &Context, file: &Path, opening: &Opening) -> Answered<Done> {
    let backup = Backup { source: source(context, file)?, keys: opening.keys(context)? };
    // What cannot be opened needs no preparations.
    let seen = look(&backup.source, &backup.keys).await?;
    context.would(format!(
        "restore {} beside, start it, compare it and remove it again",
        backup.source.path().display()
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
        tried = tried(&there, &backup, seen.manifest.clone()) => tried,
        signal = signals.next() => {
            Err(Interrupted { signal, said: "interrupted before the backup was tried".into() }.into())
        }
    };
    // Also after an error: what was restored is nobody's.
    let cleared = clear(&there, &folder).await;
    let place = backup.source.path();
    let place = place.to_string_lossy();
    match &tried {
        Ok(_) => Record::change(&data, |it| it.tried(&place, None))?,
        Err(why) if is_of_the_backup(why) => {
            Record::change(&data, |it| it.tried(&place, Some(why.to_string())))?;
        }
        Err(_) => {}
    }
    let (manifest, verified) = tried?;
    cleared?;
    if !verified.compared.missing.is_empty() {
        context.warn(format!(
            "{} files that the database knows are not in the backup; they were missing on the server as well",
            verified.compared.missing.len()
        ));
    }
    let kept = Kept::of(&backup.source, Seen { manifest, ..seen });
    let answer = Done::of(Action::Verify, context, kept);
    Ok(Reply::done(Done { verified: Some(Box::new(verified)), ..answer }))
}

/// Whether that is wrong with the backup, and not with the machine on which it was tried.
fn is_of_the_backup(why: &Failure) -> bool {
    let error = &why.error;
    error.downcast_ref::<archive::Error>().is_some_and(archive::Error::is_of_the_archive)
        || matches!(error.downcast_ref(), Some(Error::Differs(_)))
}

async fn tried(
    there: &Context,
    backup: &Backup,
    manifest: Manifest,
) -> Result<(Manifest, Verified), Failure> {
    let began = Instant::now();
    let sums = there.data()?.run().join(MEDIA_SUMS);
    let manifest = bring_back(there, backup, manifest, None, &mut |unpacked| {
        let listed = unpacked.with_file_name(MEDIA_SUMS);
        fs::rename(&listed, &sums).map_err(files::Error::io("move", &listed))?;
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
    let deadline = tokio::time::Instant::now() + timeout;
    let compared = compare(&config, &manifest, &sums, deadline).await?;
    let restored_in = began.elapsed().as_secs_f64();
    super::start::go(there, start::Options::all(timeout, true)).await?;
    let started_in = began.elapsed().as_secs_f64() - restored_in;
    let event_id = spoken(there).await?;
    Ok((manifest, Verified { compared, event_id, restored_in, started_in }))
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
    message::require_same(&client, &client, &event, &content, &id).await?;
    Ok(event.into())
}

/// Stops and removes what was restored, also what one left that was killed.
async fn clear(there: &Context, folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        let timeout = super::stop::PATIENCE;
        // A PostgreSQL that is killed leaves its shared memory behind.
        let stopped = super::stop::go(there, stop::Options { timeout, force: false }).await;
        if stopped.is_err() {
            super::stop::go(there, stop::Options { timeout, force: true }).await?;
        }
        files::remove(folder)?;
    }
    Ok(())
}

fn describe(manifest: &Manifest, page: &mut String) -> fmt::Result {
    let Manifest {
        server_name,
        made_at,
        synapse,
        postgres,
        key,
        counts,
        bridges,
        bucket,
        media_apart,
        ..
    } = manifest;
    writeln!(page, "{server_name} as it was at {made_at}")?;
    writeln!(page, "Synapse {synapse}, PostgreSQL {postgres}, signing key {key}")?;
    writeln!(
        page,
        "{} accounts, {} rooms, {} events, {} files",
        counts.users, counts.rooms, counts.events, counts.media
    )?;
    if !bridges.is_empty() {
        writeln!(page, "further databases: {}", bridges.join(", "))?;
    }
    if media_apart.is_some() {
        writeln!(page, "its media lie beside it, in `blobs`: the two belong together")?;
    }
    if let Some(bucket) = bucket {
        writeln!(page, "files that are only in the bucket `{bucket}` are not in it")?;
    }
    Ok(())
}

impl Report for Done {
    fn text(&self, page: &mut String) -> fmt::Result {
        if let Some(planned) = &self.schedule {
            return planned.text(page);
        }
        for kept in &self.backups {
            let (path, size) = (kept.path.display(), shown(kept.size));
            match self.action {
                // All of the output is the backup.
                Action::Make if kept.path == Path::new("-") => return Ok(()),
                Action::List => {}
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
            if let Some(Stored { files, bytes, known }) = self.stored {
                let bytes = shown(bytes);
                writeln!(
                    page,
                    "{files} files of the media were new ({bytes}), {known} were there"
                )?;
            }
            match self.action {
                Action::Make => {
                    writeln!(page, "`{} verify {path}{}` tries it", self.typed, self.opened)?;
                }
                Action::Show => page.push_str(
                    "messages that were redacted in the week before it was made are in it with their text\n",
                ),
                _ => {}
            }
        }
        if let Some(verified) = &self.verified {
            let Verified { compared, restored_in, started_in, .. } = &**verified;
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
