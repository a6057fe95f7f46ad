//! What others may know of the installed instance: `instance.env` in the data folder, `NAME=value`
//! lines without a secret. `config/exports.sh` hands them to scenarios; `status --fast` asks there
//! instead of reading all settings.

use std::collections::BTreeMap;

use super::{Config, sections::server::Kind, values::shape::Words as _};
use crate::{data_dir::DataDir, files};

/// The lines of the file. Their values must be free of blanks, quotes and shell metacharacters.
pub(crate) const NAMES: [&str; 7] = [
    "MATRIX_SYNAPSE_DATA_DIR",
    "MATRIX_SYNAPSE_HOST",
    "MATRIX_SYNAPSE_PORT",
    "MATRIX_SYNAPSE_BASE_URL",
    "MATRIX_SYNAPSE_SERVER_NAME",
    "MATRIX_SYNAPSE_URL",
    "MATRIX_SYNAPSE_INSTALLED_VERSION",
];

/// The last line: without it the file was cut off.
pub(crate) const END: &str = "# end";

/// The known lines of the file; none where nothing is installed, and no lines where it is damaged.
pub(crate) fn read(data: &DataDir) -> Result<Option<BTreeMap<&'static str, String>>, files::Error> {
    let text = match files::read_if_exists(&data.instance_file()) {
        // As good as one that was cut off: it is made anew by the next start.
        Err(files::Error::NotText(_) | files::Error::TooLarge { .. }) => Some(String::new()),
        read => read?,
    };
    let Some(text) = text else { return Ok(None) };
    if text.lines().last() != Some(END) || !text.ends_with('\n') {
        return Ok(Some(BTreeMap::new()));
    }
    let known = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((*NAMES.iter().find(|known| **known == name)?, value.to_owned()))
    };
    Ok(Some(text.lines().filter_map(known).collect()))
}

/// The version of the homeserver that is installed, by the name of the environment: `synapse-VERSION-HASH`.
pub(crate) fn version(data: &DataDir) -> Option<String> {
    let kind = Kind::installed(data).service();
    let environment = std::fs::read_link(data.environments().join(kind)).ok()?;
    let (name, _hash) = environment.file_name()?.to_str()?.rsplit_once('-')?;
    name.strip_prefix(kind)?.strip_prefix('-').map(str::to_owned)
}

/// The version of the homeserver that a process is, by the environment whose files it has in use: another one may
/// be installed by now.
pub(crate) fn running(pid: u32) -> Option<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    of(&maps)
}

fn of(maps: &str) -> Option<String> {
    let version = |kind: &Kind| {
        let (_, rest) = maps.split_once(&format!("/environments/{}-", kind.service()))?;
        let (version, _hash) = rest.split(['/', '\n']).next()?.rsplit_once('-')?;
        Some(version.to_owned())
    };
    Kind::ALL.iter().find_map(version)
}

/// What the file would say of a homeserver that listens at `url`.
pub(crate) fn values(config: &Config, url: &str, version: &str) -> BTreeMap<&'static str, String> {
    let public = config.public_url();
    let base = if public == config.local_url() { url.to_owned() } else { public };
    let authority = url.rsplit_once("://").map_or(url, |(_, authority)| authority);
    let authority = authority.split('/').next().unwrap_or(authority);
    let usual = if url.starts_with("https://") { "443" } else { "80" };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, usual),
    };
    let values = [
        config.data.root().display().to_string(),
        host.to_owned(),
        port.to_owned(),
        base,
        config.server.name.to_string(),
        url.to_owned(),
        version.to_owned(),
    ];
    NAMES.into_iter().zip(values).collect()
}

/// Writes the file; true if that changed it. `url` is where the homeserver listens, or will when it is
/// started; `version` is Synapse's.
pub(crate) fn write(config: &Config, url: &str, version: &str) -> Result<bool, files::Error> {
    let values = values(config, url, version);
    let lines = NAMES.iter().map(|name| format!("{name}={}\n", values[name]));
    let text: String = lines.chain([format!("{END}\n")]).collect();
    files::write_if_changed(&config.data.instance_file(), text.as_bytes(), files::PUBLIC)
}

#[cfg(test)]
mod tests {
    use super::super::sources::environment::Environment;
    use super::*;

    #[test]
    fn the_files_of_a_process_say_its_version() {
        let line = |path: &str| format!("7f3c-7f3d r-xp 00000000 08:01 123 {path}\n");
        let maps = line("/usr/lib/libc.so.6")
            + &line("/d/environments/synapse-1.163.2-20c8e2e3/lib/python3.11/site-packages/x.so");
        assert_eq!(of(&maps).as_deref(), Some("1.163.2"));
        let maps = line("/d/environments/dendrite-0.13.8-20c8e2e3ab12/dendrite");
        assert_eq!(of(&maps).as_deref(), Some("0.13.8"));
        assert_eq!(of(&line("/usr/bin/python3")), None);
    }

    #[test]
    fn a_file_that_was_cut_off_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        assert_eq!(read(&data).unwrap(), None);
        let config = Config::load(data.clone(), &[], &Environment::default()).unwrap();
        write(&config, &config.local_url(), "1.2.3").unwrap();
        assert_eq!(read(&data).unwrap(), Some(values(&config, &config.local_url(), "1.2.3")));
        let text = files::read(&data.instance_file()).unwrap();
        for length in 0..text.len() {
            files::write_atomically(&data.instance_file(), &text.as_bytes()[..length], 0o600)
                .unwrap();
            assert_eq!(read(&data).unwrap(), Some(BTreeMap::new()), "{length}");
        }
    }
}
