//! `status`: how the homeserver is. 0 healthy, 1 unhealthy, 2 not running.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{NAME, Reply, arguments::ProfileArg, info, reply::Live},
    config::{sections::server::Kind, sources::vrooli},
    context::Context,
    instance::{
        backup::restore::Restoring,
        moving::Moving,
        status::{self, Service, State, Status, backups::Backups, encryption::Encryption},
    },
    output::{self, Report, amount},
    reply::{Outcome, Stop},
    services,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Query neither the database nor anything that needs a login
    #[arg(long)]
    fast: bool,
    #[command(flatten)]
    profile: ProfileArg,
    /// Follow every change: redrawn on a terminal, otherwise a line each
    #[arg(long)]
    watch: bool,
}

mod watch;

/// The keys that callers read, on one line.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    name: &'static str,
    category: &'static str,
    description: String,
    /// Whether the platform starts it; null where no platform is around.
    enabled: Option<bool>,
    #[serde(flatten)]
    status: Status,
    /// What has to be typed for this homeserver and no other.
    #[serde(skip)]
    program: String,
    /// The profile that was asked about, as an option of another command.
    #[serde(skip)]
    profile: String,
    uptime: String,
    memory_usage: String,
    cpu_usage: String,
}

pub(crate) async fn run(
    args: Args,
    context: &Context,
) -> Result<Live<Answer, watch::Watched>, Stop> {
    let data = context.data()?;
    let names = if args.profile.is_given() {
        let context = args.profile.within(context);
        let services = services::outline(context.config()?)?.into_iter();
        // Nobody misses one that only starts others.
        let services = services.filter(|service| service.starter.is_none());
        Some(services.map(|service| service.name).collect::<Vec<_>>())
    } else {
        None
    };
    if args.watch {
        return Ok(Live::Stream(watch::stream(names)));
    }
    let mut status = status::of(&data, names.as_deref()).await?;
    if !status.installed
        && let Ok(config) = context.config()
    {
        status.would_be(config);
    }
    if status.damaged {
        context.warn(format!(
            "`{}` is damaged, so the settings are shown: `manage start` writes it again",
            data.instance_file().display()
        ));
    }
    if !args.fast {
        // Settings that cannot be read do not keep anybody from seeing what runs.
        match context.config() {
            Ok(config) => {
                // What it has is there.
                if status.installed && !config.data.is_in_cluster() {
                    status.backups = Backups::of(config)?;
                    status.encryption = Encryption::of(config)?;
                }
                status.ask_others(config).await;
            }
            Err(failure) => context.warn(failure.to_string()),
        }
    }
    let outcome = match status.state {
        State::Running => Outcome::Done,
        State::Unhealthy | State::Starting => Outcome::Unwell,
        State::Stopped | State::NotInstalled => Outcome::Moot,
    };
    let answer = Answer {
        name: "matrix-synapse",
        category: "communication",
        description: info::info()?.description,
        enabled: vrooli::enabled(&context.environment),
        uptime: status.uptime_seconds.map_or("N/A".into(), time),
        memory_usage: status.memory_bytes.map_or("N/A".into(), amount),
        cpu_usage: status
            .pid
            .and_then(status::cpu_percent)
            .map_or("N/A".into(), |percent| format!("{percent:.1}%")),
        status,
        program: context.typed(NAME),
        profile: args.profile.typed(),
    };
    Ok(Live::Reply(Reply { outcome, answer }))
}

/// `2d 3h`, `4m 5s`: the two largest units.
fn time(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let words: Vec<String> = parts
        .into_iter()
        .skip_while(|(number, _)| *number == 0)
        .take(2)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if words.is_empty() { "0s".into() } else { words.join(" ") }
}

/// Where it is, or would be.
fn configuration(page: &mut String, status: &Status) -> fmt::Result {
    writeln!(page, "\n⚙️  Configuration:")?;
    if let Some(name) = &status.server_name {
        writeln!(page, "   📛 Server name: {name}")?;
    }
    writeln!(page, "   📶 Port: {}\n   📁 Data Dir: {}", status.port, status.data_dir)
}

/// A restore that goes on, or how it is finished.
fn unfinished(page: &mut String, restoring: &Restoring, program: &str) -> fmt::Result {
    let Restoring { file, under_way, aside } = restoring;
    if !under_way {
        writeln!(page, "\n💡 To finish it: {program} manage restore {}", file.display())?;
    }
    match aside {
        Some(aside) => writeln!(page, "   What was there before is in {}", aside.display()),
        None => Ok(()),
    }
}

/// How moving in that was interrupted is finished, or given up.
fn half_moved(page: &mut String, moving: &Moving, program: &str) -> fmt::Result {
    if moving.under_way {
        return Ok(());
    }
    writeln!(page, "\n💡 To finish it: {program} {}", moving.finish)?;
    writeln!(page, "   To give it up: {program} {}", moving.give_up)
}

fn kept(page: &mut String, kind: Kind, backups: &Backups) -> fmt::Result {
    writeln!(page, "\n💾 Backups:")?;
    match (&backups.last_at, backups.age_seconds) {
        (Some(at), Some(age)) => {
            let verified = if backups.verified { "verified" } else { "not verified" };
            writeln!(page, "   🕒 Last: {at} ({} ago), {verified}", time(age))?;
        }
        _ if kind == Kind::Dendrite => {
            writeln!(page, "   🕒 made by hand, as docs/dendrite.md says")?;
        }
        _ => writeln!(page, "   🕒 Last: none; `manage backup` makes one")?,
    }
    if let Some(since) = &backups.moments_since {
        writeln!(page, "   ⏪ Any moment since: {since}")?;
    }
    if let Some(next) = &backups.next {
        writeln!(page, "   ⏭️  Next: {next}")?;
    }
    backups.troubles.iter().try_for_each(|trouble| writeln!(page, "   ⚠️  {trouble}"))
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Self { status, program, profile, .. } = self;
        writeln!(page, "📊 Matrix Synapse Status\n\n📊 Basic Status:")?;
        let mut mark = |good: bool, bad: &str, sentence: &str| {
            writeln!(page, "   {} {sentence}", if good { "✅" } else { bad })
        };
        let yes = |it: bool| if it { "Yes" } else { "No" };
        mark(status.installed, "❌", &format!("Installed: {}", yes(status.installed)))?;
        mark(status.running, "⚠️ ", &format!("Running: {}", yes(status.running)))?;
        mark(status.healthy, "⚠️ ", &format!("Health: {}", status.health_message))?;
        match status.state {
            _ if let Some(restoring) = &status.restoring => unfinished(page, restoring, program)?,
            _ if let Some(moving) = &status.moving => half_moved(page, moving, program)?,
            State::NotInstalled => {
                writeln!(page, "\n💡 Installation required: {program} manage install --start")?;
                return configuration(page, status);
            }
            State::Stopped => writeln!(page, "\n💡 To start it: {program} manage start{profile}")?,
            // What does not run, because nobody asked for it yet, has no log that says why.
            State::Unhealthy if status.lacks() => {
                writeln!(page, "\n💡 To start what is stopped: {program} manage start{profile}")?;
            }
            State::Unhealthy => writeln!(page, "\n💡 To see why: {program} logs")?,
            State::Running | State::Starting => {}
        }
        writeln!(page, "\n🌐 Service Endpoints:")?;
        writeln!(page, "   🔌 API: {}\n   🏥 Health: {}", status.api_url, status.health_url)?;
        configuration(page, status)?;
        if let Some(backups) = &status.backups {
            kept(page, status.kind, backups)?;
        }
        if let Some(Encryption { troubles, .. }) = &status.encryption
            && !troubles.is_empty()
        {
            writeln!(page, "\n🔐 Encrypted rooms:")?;
            troubles.iter().try_for_each(|trouble| writeln!(page, "   ⚠️  {trouble}"))?;
        }
        if !status.elsewhere.is_empty() {
            writeln!(page, "\n🧭 On other machines:")?;
        }
        for worker in &status.elsewhere {
            let sign = if worker.healthy { "✅" } else { "⚠️ " };
            let why = worker.message.as_deref().unwrap_or("Healthy");
            writeln!(page, "   {sign} {} ({}): {why}", worker.name, worker.machine)?;
        }
        Ok(())
    }

    fn details(&self, page: &mut String) -> fmt::Result {
        let status = &self.status;
        if status.state == State::NotInstalled {
            return Ok(());
        }
        writeln!(page, "\n🧩 Versions:")?;
        writeln!(page, "   {NAME}: {}", env!("CARGO_PKG_VERSION"))?;
        let installed = status.version.as_deref().unwrap_or("unknown");
        let kind = status.kind.name();
        match status.running_version.as_deref() {
            Some(running) if running != installed => writeln!(
                page,
                "   {kind}: {running} runs, {installed} is installed: `manage restart` runs that"
            )?,
            _ => writeln!(page, "   {kind}: {installed}")?,
        }
        if let Some(stats) = &status.database {
            writeln!(page, "   PostgreSQL: {}", stats.server_version)?;
            let about = if stats.events_estimated { "about " } else { "" };
            let size = amount(u64::try_from(stats.database_bytes).unwrap_or(0));
            writeln!(page, "\n📈 Contents:")?;
            writeln!(page, "   Users: {}\n   Rooms: {}", stats.users, stats.rooms)?;
            writeln!(page, "   Events: {about}{}\n   Database size: {size}", stats.events)?;
        }
        if status.services.is_empty() {
            return Ok(());
        }
        writeln!(
            page,
            "\n⏱️  Uptime: {}   Memory: {}   CPU: {}\n",
            self.uptime, self.memory_usage, self.cpu_usage
        )?;
        table(page, &status.services)
    }

    fn id(&self) -> Option<&str> {
        Some(match self.status.state {
            State::NotInstalled => "not_installed",
            State::Stopped => "stopped",
            State::Starting => "starting",
            State::Unhealthy => "unhealthy",
            State::Running => "running",
        })
    }
}

fn table(page: &mut String, services: &[Service]) -> fmt::Result {
    let row = |service: &Service| {
        vec![
            service.name.clone(),
            status::word(service.phase).to_owned(),
            service.pid.map_or(String::new(), |pid| pid.to_string()),
            service.uptime_seconds.map_or(String::new(), time),
            service.memory_bytes.map_or(String::new(), amount),
            service.restarts.to_string(),
        ]
    };
    let heading = ["SERVICE", "STATE", "PID", "UPTIME", "MEMORY", "RESTARTS"];
    output::table(page, &heading, services.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_for_people() {
        assert_eq!([0, 59, 61, 7265, 90_000].map(time), ["0s", "59s", "1m 1s", "2h 1m", "1d 1h"]);
        assert_eq!(
            [12, 2048, 5 << 20, 3 << 30].map(amount),
            ["12 B", "2.0 KB", "5.0 MB", "3.0 GB"]
        );
    }
}
