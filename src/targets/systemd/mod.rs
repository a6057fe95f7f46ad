//! Units of systemd: one a service, a target that has them all, and a timer for backups. `hardened` is what each
//! may not do, `calendar` a schedule in systemd's words.
//!
//! Sources: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.timer(5).

use std::{fmt::Write as _, path::Path, time::Duration};

use super::{Written, prefix};
use crate::{
    config::Config,
    services,
    supervisor::{
        kept::Scope,
        service::{Condition, Probe, Restart, Service},
    },
};

mod calendar;
mod hardened;

/// Whose units they are, and what they start.
#[derive(Clone, Debug)]
pub(crate) struct For<'a> {
    pub(crate) scope: Scope,
    /// Name or number of the account that the services run as, where the units are the system's.
    pub(crate) user: Option<(String, String)>,
    /// This program, where it stays.
    pub(crate) program: &'a Path,
}

/// When nothing says when backups are due: it is looked.
const LOOK: &str = "*:0/15";
/// Another try after a backup that failed.
const AGAIN: Duration = Duration::from_mins(10);

/// The files below the folder of units.
pub(super) fn render(config: &Config, list: &[Service], whose: &For<'_>) -> Vec<Written> {
    let prefix = prefix(config);
    let mut files =
        vec![Written::marked(format!("{prefix}.target"), &target(config, list, whose, &prefix))];
    for service in list {
        let name = unit_of(&prefix, &service.name);
        if service.name == services::BACKUPS {
            files.push(Written::marked(
                format!("{prefix}-{}.timer", service.name),
                &timer(config, &prefix),
            ));
        }
        files.push(Written::marked(name, &unit(config, list, service, whose, &prefix)));
    }
    files
}

fn unit_of(prefix: &str, service: &str) -> String {
    format!("{prefix}-{service}.service")
}

/// What is started with all others: of the backups their timer.
fn wanted(prefix: &str, service: &Service) -> String {
    if service.name == services::BACKUPS {
        format!("{prefix}-{}.timer", service.name)
    } else {
        unit_of(prefix, &service.name)
    }
}

fn target(config: &Config, list: &[Service], whose: &For<'_>, prefix: &str) -> String {
    let names: Vec<String> = list.iter().map(|service| wanted(prefix, service)).collect();
    let install = match whose.scope {
        Scope::System => "multi-user.target",
        Scope::User => "default.target",
    };
    format!(
        "[Unit]\nDescription=Matrix homeserver {}\nWants={}\n\n[Install]\nWantedBy={install}\n",
        config.server.name,
        names.join(" ")
    )
}

fn timer(config: &Config, prefix: &str) -> String {
    let schedule = config.backup.schedule.as_ref().map(ToString::to_string).unwrap_or_default();
    let moments = calendar::of_cron(&schedule).unwrap_or_else(|| vec![LOOK.to_owned()]);
    let mut text = format!(
        "[Unit]\nDescription=When backups of the Matrix homeserver {} are due\nPartOf={prefix}.target\n\n[Timer]\n",
        config.server.name
    );
    for moment in moments {
        writeln!(text, "OnCalendar={moment}").ok();
    }
    // One that was missed is made up for, and none waits for others.
    text.push_str("Persistent=true\nAccuracySec=1s\n");
    text
}

/// A word of a command line as systemd reads it, or a path in one of its lists.
fn quoted(word: &str) -> String {
    let mut text = word.replace('\\', "\\\\").replace('%', "%%").replace('"', "\\\"");
    text = text.replace('\n', "\\n");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if text.chars().all(plain) { text } else { format!("\"{text}\"") }
}

/// The same where a dollar would be a variable.
pub(super) fn word(word: &str) -> String {
    quoted(&word.replace('$', "$$"))
}

pub(super) fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// What a person reads of a service: on one line, which the next does not go on with.
pub(super) fn description(config: &Config, service: &Service) -> String {
    let summary = service.summary.replace(char::is_control, " ").replace('%', "%%");
    format!("Matrix homeserver {}: {}", config.server.name, summary.trim_end_matches('\\'))
}

/// This program with words of its own about this homeserver.
fn own(config: &Config, whose: &For<'_>, words: &[&str]) -> String {
    let data = config.data.root().display().to_string();
    let program = whose.program.display().to_string();
    let first = [program.as_str(), "--data-dir", data.as_str()];
    first.iter().chain(words).map(|it| word(it)).collect::<Vec<_>>().join(" ")
}

fn unit(
    config: &Config,
    list: &[Service],
    service: &Service,
    whose: &For<'_>,
    prefix: &str,
) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        writeln!(text, "{key}={value}").ok();
    };
    let is_timed = service.name == services::BACKUPS;
    line("Description", &description(config, service));
    if !is_timed {
        line("PartOf", &format!("{prefix}.target"));
    }
    if whose.scope == Scope::System {
        line("Wants", "network-online.target");
        line("After", "network-online.target");
    }
    for need in &service.needs {
        if !list.iter().any(|other| other.name == need.service) {
            continue;
        }
        let name = unit_of(prefix, &need.service);
        // What is only to run may be away later; a backup is made whether the server is well or not.
        let word = match need.condition {
            Condition::Started => "Wants",
            Condition::Healthy | Condition::Completed => "Requires",
        };
        line(if is_timed { "Wants" } else { word }, &name);
        line("After", &name);
    }
    line("RequiresMountsFor", &path(config.data.root()));
    if let Restart::Always { budget, window } | Restart::OnFailure { budget, window } =
        service.restart
        && !is_timed
    {
        line("StartLimitIntervalSec", &window.as_secs().to_string());
        line("StartLimitBurst", &(budget + 1).to_string());
    }
    let mut text = format!("[Unit]\n{text}\n[Service]\n");
    service_section(&mut text, config, service, whose);
    hardened::lines(&mut text, config, service, whose, hardened::runner(list));
    text
}

fn service_section(text: &mut String, config: &Config, service: &Service, whose: &For<'_>) {
    let mut line = |key: &str, value: &str| {
        writeln!(text, "{key}={value}").ok();
    };
    let start = config.supervision.start_timeout.0.as_secs().max(1).to_string();
    let unit = |more: &[&str]| {
        let words = ["daemon", "unit", service.name.as_str()];
        own(config, whose, &[&words[..], more].concat())
    };
    let is_timed = service.name == services::BACKUPS;
    let is_work = is_timed || service.restart == Restart::Never && service.ready.is_empty();
    let notifies = service.ready.contains(&Probe::Notify);
    let asked = service.ready.iter().any(|probe| *probe != Probe::Notify);
    line(
        "Type",
        if is_work {
            "oneshot"
        } else if notifies {
            "notify"
        } else {
            "exec"
        },
    );
    if is_work && !is_timed {
        line("RemainAfterExit", "yes");
    }
    if let Some((user, group)) = &whose.user {
        line("User", user);
        line("Group", group);
    }
    // As it is: quotes would be a part of it.
    line("WorkingDirectory", &config.data.root().display().to_string().replace('%', "%%"));
    // As often as it is told why it may not start, it would say so in the log.
    line("ExecStart", &if is_timed { unit(&["--once"]) } else { unit(&[]) });
    if asked && !is_work {
        line("ExecStartPost", &unit(&["--ready"]));
    }
    if let Some(signal) = service.reload {
        line("ExecReload", &format!("/bin/kill -{} $MAINPID", signal.as_raw()));
    }
    if is_work {
        line("TimeoutStartSec", "infinity");
    } else {
        line("ExecStopPost", &unit(&["--ended"]));
        line("TimeoutStartSec", &start);
    }
    match service.restart {
        _ if is_timed => {
            line("Restart", "on-failure");
            line("RestartSec", &AGAIN.as_secs().to_string());
        }
        Restart::Never if service.name == super::ACCOUNT => {
            line("Restart", "on-failure");
            line("RestartSec", "30");
        }
        Restart::Never => line("Restart", "no"),
        Restart::Always { .. } => {
            line("Restart", "always");
            line("RestartSec", "1");
        }
        Restart::OnFailure { .. } => {
            line("Restart", "on-failure");
            line("RestartSec", "1");
        }
    }
    // The process itself is asked to end; what is left of its group afterwards is killed.
    line("KillMode", "mixed");
    if let Some((signal, patience)) = service.stop.first() {
        line("KillSignal", &signal.as_raw().to_string());
        line("TimeoutStopSec", &patience.as_secs().max(1).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_itself() {
        assert_eq!(word("/srv/a b"), "\"/srv/a b\"");
        assert_eq!(word("50%"), "50%%");
        assert_eq!(word("a$b"), "\"a$$b\"");
        assert_eq!(word("say \"x\\y\""), "\"say \\\"x\\\\y\\\"\"");
    }
}
