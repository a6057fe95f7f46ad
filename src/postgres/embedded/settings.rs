//! What we add to `postgresql.conf`, as a file of its own that is written before every start.
//! An operator's files in the same folder that sort after it win.

use std::{
    collections::BTreeSet, fmt::Write as _, fs, os::unix::fs::DirBuilderExt as _, path::Path,
};

use super::{super::Error, cluster, history, runner::Runner, socket_folder};
use crate::{
    config::{Config, values::shape::Host},
    data_dir::DataDir,
    files,
    synapse::workers,
};

const FOLDER: &str = "conf.d";
const FILE: &str = "10-resource-matrix-synapse.conf";
/// Not read as settings: only `*.conf` is.
const HBA: &str = "pg_hba.with-workers";
const MIB: u64 = 1 << 20;

/// Makes a new cluster read the files in [`FOLDER`].
pub(super) fn include(cluster: &Path, runner: Runner) -> Result<(), Error> {
    let folder = cluster.join(FOLDER);
    fs::DirBuilder::new().mode(0o700).create(&folder).map_err(files::Error::io("make", &folder))?;
    runner.give(&folder)?;
    let main = cluster.join("postgresql.conf");
    let text = files::read(&main)? + "\ninclude_dir = '" + FOLDER + "'\n";
    files::write_atomically(&main, text.as_bytes(), files::PRIVATE)?;
    runner.give(&main)
}

/// Writes our part for this start.
pub(super) fn write(config: &Config, runner: &Runner) -> Result<(), Error> {
    let cluster = cluster(&config.data);
    let mut own = render(config, memory());
    if config.backup.point_in_time {
        own.push_str(&handing_over(&config.data)?);
    }
    let mut all = vec![(FILE, own)];
    if config.network_address().is_some() {
        // What the operator wrote stays, and counts more.
        all.push((HBA, files::read(&cluster.join("pg_hba.conf"))? + &allowed(config)));
    }
    for (name, text) in all {
        let file = cluster.join(FOLDER).join(name);
        if files::write_if_changed(&file, text.as_bytes(), files::PRIVATE)? {
            runner.give(&file)?;
        }
    }
    Ok(())
}

/// What an operator has set for a cluster comes along into another one: the files beside ours, who may connect,
/// and what `ALTER SYSTEM` wrote.
pub(super) fn take_over(from: &Path, to: &Path, runner: Runner) -> Result<(), Error> {
    let mut paths = files::entries(&from.join(FOLDER))?;
    paths.retain(|path| !path.ends_with(FILE) && path.extension().is_some_and(|it| it == "conf"));
    let beside = ["pg_hba.conf", "postgresql.auto.conf"].map(|name| from.join(name));
    for path in paths.into_iter().chain(beside) {
        let Some(text) = files::read_if_exists(&path)? else { continue };
        let target = to.join(path.strip_prefix(from).unwrap_or(&path));
        files::write_atomically(&target, text.as_bytes(), files::PRIVATE)?;
        runner.give(&target)?;
    }
    Ok(())
}

/// Adds a file of settings; [`forget`] takes it away.
pub(super) fn add(cluster: &Path, name: &str, text: &str, runner: Runner) -> Result<(), Error> {
    let file = cluster.join(FOLDER).join(name);
    files::write_atomically(&file, text.as_bytes(), files::PRIVATE)?;
    runner.give(&file)
}

pub(super) fn forget(cluster: &Path, name: &str) -> Result<(), files::Error> {
    files::remove(&cluster.join(FOLDER).join(name))
}

/// What is written is kept, so that any moment can be reached again.
fn handing_over(data: &DataDir) -> Result<String, Error> {
    let command = history::archive_command(data)?.replace('\'', "''");
    Ok(format!("wal_level = replica\narchive_mode = on\narchive_command = '{command}'\n"))
}

/// The lines of `pg_hba.conf` for processes of Synapse on other machines.
fn allowed(config: &Config) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let (database, role) = (quoted(&config.database.name.0), quoted(&config.database.user.0));
    let line = |who: &str| format!("host {database} {role} {who} scram-sha-256\n");
    if config.is_named() {
        // They come from whatever address they have that day.
        return line("all");
    }
    let machines: BTreeSet<&Host> = config.workers.elsewhere.0.values().collect();
    let each = machines.into_iter().map(|machine| {
        let bits = if machine.listens().is_ipv4() { 32 } else { 128 };
        line(&format!("{machine}/{bits}"))
    });
    each.collect()
}

/// `memory` is what this machine or container has, in bytes.
fn render(config: &Config, memory: u64) -> String {
    // Synapse's own, one pool a process, the superuser's, ours and a backup's, and a fifth in reserve.
    let pools = config.database.connections_max.saturating_mul(workers::processes(config));
    let connections = pools.saturating_add(3 + 10).saturating_mul(6) / 5;
    // There may be workers, and more of them, before this server is started anew. One costs 20 kB.
    let least = 400;
    let sockets = socket_folder(&config.data).display().to_string().replace('\'', "''");
    let share = |part: u64, least: u64, most: u64| (memory / part / MIB).clamp(least, most);
    let mut text =
        String::from("# Written at every start. Files beside this one that sort after it win.\n");
    let mut set = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        writeln!(text, "{name} = {value}").ok();
    };
    match config.network_address() {
        Some(address) => {
            let all = match address {
                Host::Address(address) => format!("127.0.0.1,{address}"),
                Host::Name(_) => "*".to_owned(),
            };
            set("listen_addresses", &format!("'{all}'"));
            let file = cluster(&config.data).join(FOLDER).join(HBA).display().to_string();
            set("hba_file", &format!("'{}'", file.replace('\'', "''")));
        }
        None => set("listen_addresses", "'127.0.0.1'"),
    }
    set("port", &config.database.embedded_port.to_string());
    set("unix_socket_directories", &format!("'{sockets}'"));
    set("unix_socket_permissions", "0700");
    set("max_connections", &connections.max(least).to_string());
    // The machine is Synapse's too: half of what a machine for PostgreSQL alone would be given.
    set("shared_buffers", &format!("{}MB", share(8, 64, 2048)));
    set("effective_cache_size", &format!("{}MB", share(2, 256, 65_536)));
    set("maintenance_work_mem", &format!("{}MB", share(32, 64, 512)));
    set("random_page_cost", "1.1");
    set("max_wal_size", "2GB");
    // Synapse's statements are short; compiling them costs more than it gives.
    set("jit", "off");
    // A start after a crash otherwise flushes every file on its own: 20 s instead of 1.
    set("recovery_init_sync_method", "syncfs");
    // The supervisor keeps what is written to stderr, and puts the time before each line.
    set("log_destination", "'stderr'");
    set("logging_collector", "off");
    set("log_line_prefix", "'[%p] '");
    set("log_min_duration_statement", "10s");
    text
}

/// The memory this process may use: the machine's, or its container's.
fn memory() -> u64 {
    let read = |path: &str| files::read_if_exists(Path::new(path)).ok().flatten();
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
    });
    let container = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(container).min().unwrap_or(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment;

    #[test]
    fn a_small_machine_gets_small_buffers_and_a_quote_in_a_path_is_doubled() {
        let data = DataDir::new("/srv/it's".into());
        let config = Config::load(data, &[], &Environment::default()).unwrap();
        let text = render(&config, 1 << 30);
        assert!(text.contains("unix_socket_directories = '/srv/it''s/run/pg'\n"), "{text}");
        assert!(text.contains("shared_buffers = 128MB\n"), "{text}");
        assert!(text.contains("max_connections = 400\n"), "{text}");
        let flags = ["stack.profile=scale", "workers.list=generic=60"].map(str::to_owned);
        let data = DataDir::new("/a".into());
        let many = Config::load(data, &flags, &Environment::default()).unwrap();
        assert!(render(&many, 1 << 30).contains("max_connections = 747\n"));
        assert!(text.contains("recovery_init_sync_method = syncfs\n"), "{text}");
    }

    #[test]
    fn only_machines_that_have_workers_may_come_and_only_to_our_database() {
        let flags = [
            "stack.profile=scale",
            "workers.list=generic=3",
            "workers.elsewhere=generic-2=10.0.0.2,generic-3=10.0.0.2",
            "workers.address=10.0.0.1",
        ];
        let flags = flags.map(str::to_owned);
        let config = Config::load(DataDir::new("/a".into()), &flags, &Environment::default());
        let config = config.unwrap();
        assert_eq!(allowed(&config), "host \"synapse\" \"synapse\" 10.0.0.2/32 scram-sha-256\n");
        let text = render(&config, 1 << 30);
        assert!(text.contains("listen_addresses = '127.0.0.1,10.0.0.1'\n"), "{text}");
    }
}
