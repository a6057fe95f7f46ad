//! Rooms that are made here: which of them are encrypted from the beginning.

use crate::config::{
    Config,
    values::{setting::section, shape::words},
};

words! {
    /// Which rooms are encrypted from the beginning.
    Encrypt {
        /// Those that nobody comes into without an invitation.
        Private = "private",
        All = "all",
        Nothing = "none",
    }
}

section! {
    /// Rooms that are made here: which of them are encrypted from the beginning.
    Rooms "rooms" {
        /// Rooms that this program encrypts when it makes them, and that clients are asked to: `private`, `all` or `none`. Spaces, and rooms with the users of a bridge, stay clear; without `encryption.enabled` all rooms do.
        encrypt: Encrypt = "private" ["MATRIX_SYNAPSE_ROOMS_ENCRYPT"];
    }
}

impl Config {
    /// What clients are told at `/.well-known/matrix/client` of rooms that people make ([docs]): whether these are to
    /// be encrypted by default. Nothing where only our own program cannot take part: that is no reason for others to
    /// do without. `force_disable` would take the choice away from people, and is never said.
    ///
    /// [docs]: https://github.com/element-hq/element-web/blob/develop/docs/e2ee.md
    pub(crate) fn clients_encrypt(&self) -> Option<bool> {
        match self.rooms.encrypt {
            Encrypt::Nothing => Some(false),
            Encrypt::Private | Encrypt::All => self.encryption.enabled.then_some(true),
        }
    }
}

/// The key under which Element and its kin look for it.
pub(crate) const E2EE: &str = "io.element.e2ee";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    #[test]
    fn clients_are_told_what_we_do_and_are_never_kept_from_encrypting() {
        let folder = tempfile::tempdir().unwrap();
        let told = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            let data = DataDir::new(folder.path().to_owned());
            Config::load(data, &flags, &Environment::default()).unwrap().clients_encrypt()
        };
        assert_eq!(told(&[]), Some(true));
        assert_eq!(told(&["rooms.encrypt=all"]), Some(true));
        assert_eq!(told(&["rooms.encrypt=none"]), Some(false));
        assert_eq!(told(&["encryption.enabled=false"]), None);
        assert_eq!(told(&["encryption.enabled=false", "rooms.encrypt=none"]), Some(false));
    }
}
