//! Settings that came along with one command and must hold for the next: written down at install.

use serde_json::Value;

use crate::{
    config::{
        self, Config,
        sources::{edit, environment::Environment},
        values::{setting::shown, source::Source},
    },
    error::Failure,
    files,
    supervisor::kept,
};

/// What would be written down: keys of settings given by flags or variables.
pub(crate) fn given(config: &Config) -> Vec<&'static str> {
    config::settings().map(|setting| setting.key).filter(|key| is_passing(config, key)).collect()
}

/// Whether a setting came by flag or variable.
pub(in crate::instance) fn is_passing(config: &Config, key: &str) -> bool {
    match config.source(key) {
        // Those of a container come again with each start of it, and are about what is in it.
        Source::Environment(_) => !kept::is_inside(),
        source => source == Source::Flag,
    }
}

/// Those of them that are not written down yet.
pub(crate) fn pending(config: &Config) -> Vec<&'static str> {
    let kept = Config::load(config.data.clone(), &[], &Environment::default());
    let mut keys = given(config);
    keys.retain(|key| {
        let (Ok(kept), Ok(setting)) = (&kept, config::find(key)) else { return true };
        let text = |config: &Config| Some(shown(&config.values.0.get(setting.key)?.0));
        kept.source(key) == Source::Default || text(kept) != text(config)
    });
    keys
}

/// Writes them into `settings.yaml`, secrets into files of their own; gives the keys that changed.
pub(crate) fn keep(config: &Config) -> Result<Vec<&'static str>, Failure> {
    let mut changed = Vec::new();
    for key in given(config) {
        let setting = config::find(key)?;
        let Some((value, _)) = config.values.0.get(key) else { continue };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let new = if setting.secret {
            let file = config.data.secret(&setting.secret_file());
            files::write_if_changed(&file, text.as_bytes(), files::PRIVATE)?
        } else {
            let value: Value = edit::typed(setting, &text);
            edit::set(&config.data, setting, &value)?
        };
        if new {
            changed.push(key);
        }
    }
    Ok(changed)
}
