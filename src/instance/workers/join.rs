//! Workers of a homeserver elsewhere: with its file a data folder of their own is made, in which nothing
//! but they runs. The settings go along as they are, so that the files of Synapse come out the same on both
//! sides; only where PostgreSQL and Redis are is said as one sees it from here.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tokio::time::Instant;

use super::join_file::{Error, Joining, name_of, places, read};
use crate::{
    checks::folder,
    config::{
        self, Config, exports,
        sections::stack,
        sources::{environment::Environment, whole},
        values::{shape::Host, source::Source},
    },
    error::Failure,
    files,
    instance::{guard, lock},
    python::{self, Set},
    render,
    supervisor::control,
    synapse::{self, workers},
};

/// Whether this data folder can be one for workers of the file; what its `settings.yaml` is then.
pub(crate) fn look(
    config: &Config,
    file: &Path,
    names: &[String],
) -> Result<(Joining, String), Failure> {
    let data = &config.data;
    let joining = read(file)?;
    if !config.is_joined() && (data.is_installed() || data.signing_key().exists()) {
        return Err(Error::IsHomeserver(data.root().to_owned()).into());
    }
    let old = config.server.name.to_string();
    if config.is_joined() && old != joining.server_name {
        return Err(Error::OtherServer { old, new: joining.server_name }.into());
    }
    // Those that were started here before stay, as long as the homeserver wants them to.
    let there = places(&joining);
    let mut here = config.workers.here.clone();
    here.retain(|name| there.contains_key(name));
    here.extend(chosen(&there, names)?);
    here.sort();
    here.dedup();
    folder::data_folder(data)?;
    let settings = settings_file(config, &joining, here).and_then(|text| {
        let new = Config::of_text(data.clone(), &text, &[], &Environment::default())?;
        workers::chosen(&new)?;
        Ok(text)
    });
    let bad = |why| Failure::from(Error::BadSettings(file.to_owned())).because(why);
    Ok((joining, settings.map_err(bad)?))
}

/// Puts the files of Synapse in place, with the settings as they are after [`join`]; then it is
/// installed. True if that changed something.
pub(crate) async fn complete(config: &Config) -> Result<bool, Failure> {
    let changed = render::refresh(config).await?;
    let version = exports::version(&config.data).unwrap_or_default();
    Ok(exports::write(config, &config.local_url(), &version)? || changed)
}

/// Makes a data folder for these workers of the file, or brings it up to date: packages, settings and
/// secrets. True if something changed. Without names, all that have an address of this machine.
pub(crate) async fn join(
    config: &Config,
    file: &Path,
    names: &[String],
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<bool, Failure> {
    let data = &config.data;
    let (joining, settings) = look(config, file, names)?;
    data.create()?;
    files::private_folder(&data.environments())?;
    let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
    let _lock = lock::wait(data, "manage start --join", deadline, &mut wait).await?;
    let version = joining.other_version();
    let log = data.logs().join("install.log");
    let mut set = match version {
        Some(version) => {
            if !joining.lock.is_empty() {
                // The same packages as the homeserver has.
                files::private_folder(&data.locks())?;
                let file = python::place(&data.locks(), version);
                files::write_if_changed(&file, joining.lock.as_bytes(), files::PRIVATE)?;
            }
            Set::synapse_in(version, &data.locks())?
        }
        None => Set::synapse(None),
    };
    if !joining.modules.is_empty() {
        let (file, text) = (modules(config), joining.modules.as_bytes());
        files::write_if_changed(&file, text, files::PRIVATE)?;
        set = set.with_modules(&python::lock::read(&file)?)?;
    }
    let plan = python::plan(&data.environments(), &log, set, None).await?;
    let mut changed = false;
    if !plan.is_done() {
        on_step(&format!("installing Synapse {} with {}", joining.synapse, plan.tool()));
        plan.apply(false).await?;
        changed = true;
    }
    plan.sweep(control::status(data).await?.is_some())?;
    on_step("writing settings and secrets");
    for (name, text) in &joining.secrets {
        // A name is no path.
        if render::SECRETS.contains(&name.as_str()) || *name == "redis_password" {
            changed |=
                files::write_if_changed(&data.secret(name), text.as_bytes(), files::PRIVATE)?;
        }
    }
    let folder = data.overrides();
    for (name, text) in joining.overrides.iter().filter(|(name, _)| !name.contains('/')) {
        changed |= files::write_if_changed(&folder.join(name), text.as_bytes(), files::PRIVATE)?;
    }
    for gone in synapse::own_files(data) {
        if !joining.overrides.contains_key(&name_of(&gone)) {
            files::remove(&gone)?;
            changed = true;
        }
    }
    if !joining.believed.is_empty() {
        let (file, text) = (believed(config), joining.believed.as_bytes());
        changed |= files::write_if_changed(&file, text, files::PUBLIC)?;
    }
    Ok(files::write_if_changed(&data.settings(), settings.as_bytes(), files::PRIVATE)? || changed)
}

/// Where the CAs are kept that came with the file.
fn believed(config: &Config) -> PathBuf {
    config.data.tls().join("believed.pem")
}

/// Where the list of modules' packages is kept that came with the file.
fn modules(config: &Config) -> PathBuf {
    config.data.root().join("modules.lock")
}

/// The whole of `settings.yaml`: what the file says, who runs here, and how processes are kept on this
/// machine.
fn settings_file(config: &Config, joining: &Joining, here: Vec<String>) -> Result<String, Failure> {
    let mut joined = joining.settings.clone();
    let mut set = |key: &str, value: Value| joined.insert(key.to_owned(), value);
    if !joining.believed.is_empty() {
        let list = vec![believed(config).display().to_string()];
        set("synapse.federation_custom_ca_list", list.into());
    }
    if !joining.modules.is_empty() {
        set("synapse.modules", modules(config).display().to_string().into());
    }
    set("stack.profile", stack::JOINED.into());
    set("workers.here", here.into());
    if let Some(version) = joining.other_version() {
        set("synapse.version", version.into());
    }
    let own = config::settings().filter(|setting| {
        let of_machine = setting.key.starts_with(guard::OF_EACH_MACHINE);
        of_machine && config.source(setting.key) == Source::SettingsFile
    });
    let own =
        own.filter_map(|it| Some((it.key.to_owned(), config.values.0.get(it.key)?.0.clone())));
    joined.extend(own.collect::<Vec<_>>());
    // A file of a newer program may have settings that this one does not know.
    joined.keys().try_for_each(|key| config::find(key).map(drop))?;
    let yaml = whole::document(&joined)?;
    Ok(format!(
        "# Written by `manage start worker --join`; only `supervision` may be changed here.\n{yaml}"
    ))
}

/// Those that are to run here; without names, all whose machine this is.
fn chosen(places: &BTreeMap<String, Host>, names: &[String]) -> Result<Vec<String>, Error> {
    let is_here = |machine: &Host| TcpListener::bind((machine.to_string().as_str(), 0)).is_ok();
    if names.is_empty() {
        let here = places.iter().filter(|(_, machine)| is_here(machine));
        let here: Vec<String> = here.map(|(name, _)| name.clone()).collect();
        return if here.is_empty() { Err(Error::NobodyHere) } else { Ok(here) };
    }
    for name in names {
        match places.get(name) {
            Some(machine) if is_here(machine) => {}
            Some(machine) => {
                let (name, machine) = (name.clone(), machine.clone());
                return Err(Error::OtherMachine { name, machine });
            }
            None => {
                let there = places.keys().cloned().collect();
                return Err(Error::NoWorker { name: name.clone(), there });
            }
        }
    }
    Ok(names.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_runs_what_has_its_address_and_nothing_else() {
        let place =
            |name: &str, machine: &str| (name.to_owned(), Host::Address(machine.parse().unwrap()));
        let places = BTreeMap::from([
            place("generic-2", "127.0.0.1"),
            place("generic-3", "192.0.2.1"),
            place("pusher-1", "127.0.0.1"),
        ]);
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(&places, &names).map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&[]).unwrap(), ["generic-2", "pusher-1"]);
        assert_eq!(chosen(&["pusher-1"]).unwrap(), ["pusher-1"]);
        assert_eq!(
            chosen(&["generic-3"]).unwrap_err(),
            "`generic-3` runs on the machine 192.0.2.1, and this one does not have that address"
        );
        assert_eq!(
            chosen(&["media-1"]).unwrap_err(),
            "the file has no worker `media-1`, but generic-2, generic-3, pusher-1"
        );
    }
}
