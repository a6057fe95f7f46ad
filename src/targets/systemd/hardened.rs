//! What a unit may not do: everything that its service has no need of (systemd.exec(5), and what
//! `systemd-analyze security` counts).

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{super::starts_postgresql, For, path};
use crate::{
    config::{Config, sections::backup::Place},
    services,
    supervisor::{kept::Scope, service::Service},
};

/// What holds for all, also for the operator's own.
const ALWAYS: &[(&str, &str)] = &[
    ("UMask", "0077"),
    ("LimitNOFILE", "65536"),
    ("NoNewPrivileges", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("LockPersonality", "yes"),
    ("RestrictRealtime", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("KeyringMode", "private"),
    ("SystemCallArchitectures", "native"),
];

/// What holds for those that we know.
const OURS: &[(&str, &str)] = &[
    ("ProtectSystem", "strict"),
    ("PrivateDevices", "yes"),
    ("ProtectProc", "invisible"),
    ("RemoveIPC", "yes"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallErrorNumber", "EPERM"),
];

/// What it takes to become another account and to give it its files.
const BECOMES: &str = "CAP_SETUID CAP_SETGID CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE CAP_KILL";

/// What neither that nor anything else here takes.
const OTHERS: &str =
    "~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @resources @swap";

/// How PostgreSQL becomes somebody else than root: the name of the program.
pub(super) fn runner(list: &[Service]) -> Option<&str> {
    let server = list.iter().find(|service| service.name == services::POSTGRES)?;
    let program = Path::new(server.launch.wrapper.first()?);
    program.file_name()?.to_str()
}

pub(super) fn lines(
    text: &mut String,
    config: &Config,
    service: &Service,
    whose: &For<'_>,
    runner: Option<&str>,
) {
    let mut line = |key: &str, value: &str| {
        writeln!(text, "{key}={value}").ok();
    };
    let is_custom = service.tags.iter().any(|tag| tag == services::CUSTOM);
    for (key, value) in ALWAYS {
        line(key, value);
    }
    if is_custom {
        return;
    }
    for (key, value) in OURS {
        line(key, value);
    }
    // A user's manager may take away, but has nothing to give.
    let of_system = whose.scope == Scope::System;
    let is_root = of_system && whose.user.as_ref().is_none_or(|(user, _)| user == "root");
    let ports = of_system && [services::PROXY, services::TURN].contains(&service.name.as_str());
    // PostgreSQL refuses root, so it enters a namespace in which it is somebody else, or becomes another account.
    let changes = (is_root && starts_postgresql(&service.name)).then(|| runner.unwrap_or_default());
    let (namespaces, calls, held) = match changes {
        // A map of users that has root in it takes `CAP_SETFCAP` (user_namespaces(7)).
        Some("unshare") => ("user", "~@privileged @resources", "CAP_SETFCAP"),
        Some("setpriv") => ("yes", OTHERS, BECOMES),
        // nginx started by root says which account its workers are, also where that is root.
        _ if is_root && service.name == services::PROXY => {
            ("yes", OTHERS, "CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID")
        }
        _ if ports => ("yes", "~@privileged @resources", "CAP_NET_BIND_SERVICE"),
        _ => ("yes", "~@privileged @resources", ""),
    };
    line("RestrictNamespaces", namespaces);
    line("SystemCallFilter", calls);
    if of_system {
        line("CapabilityBoundingSet", held);
        if ports && !is_root {
            line("AmbientCapabilities", held);
        }
        // Without ports below 1024 it needs nobody else's accounts.
        if !ports && !is_root {
            line("PrivateUsers", "yes");
        }
    }
    // What compiles as it runs writes what it executes, and so do callbacks from C to Python, as pyOpenSSL has them.
    let keeps_apart = [services::REDIS, services::PROXY, services::TURN];
    if services::is_own(service) || keeps_apart.contains(&service.name.as_str()) {
        line("MemoryDenyWriteExecute", "yes");
    }
    let families = if service.name == services::TURN {
        "AF_UNIX AF_INET AF_INET6 AF_NETLINK"
    } else {
        "AF_UNIX AF_INET AF_INET6"
    };
    line("RestrictAddressFamilies", families);
    line("PrivateTmp", "yes");
    // Programs and files that the settings name may lie there.
    line("ProtectHome", "read-only");
    for place in written(config) {
        line(if is_hidden(&place) { "BindPaths" } else { "ReadWritePaths" }, &path(&place));
    }
    if is_hidden(whose.program) {
        line("BindReadOnlyPaths", &path(whose.program));
    }
}

/// Whether it is in a folder of which each unit has one of its own.
fn is_hidden(place: &Path) -> bool {
    ["/tmp", "/var/tmp"].iter().any(|folder| place.starts_with(folder))
}

/// The folders that are written.
fn written(config: &Config) -> Vec<PathBuf> {
    let data = &config.data;
    let mut all = vec![data.root().to_owned()];
    if !data.sockets().starts_with(data.root()) {
        all.push(data.sockets());
    }
    if let Some(Place::Folder(folder)) = &config.backup.to
        && !folder.starts_with(data.root())
    {
        all.push(folder.clone());
    }
    all
}
