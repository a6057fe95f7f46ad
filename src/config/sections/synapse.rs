//! How Synapse behaves: what a homeserver in production wants to decide.

use std::path::PathBuf;

use crate::{
    config::values::{
        range::Range,
        setting::section,
        shape::{Size, Span, words},
    },
    secret::Secret,
};

words! {
    /// For which new rooms clients are told to switch encryption on.
    Encryption {
        Off = "off",
        Invite = "invite",
        All = "all",
    }
}

words! {
    LogLevel {
        Debug = "DEBUG",
        Info = "INFO",
        Warning = "WARNING",
        Error = "ERROR",
    }
}

words! {
    /// With which other servers this one speaks.
    Mode {
        Off = "off",
        Private = "private",
        Open = "open",
    }
}

section! {
    /// How Synapse behaves.
    Synapse "synapse" {
        /// The version to install; empty means the one this program ships a locked set for.
        version: Option<String> = "" ["MATRIX_SYNAPSE_VERSION"];
        /// The version of new rooms, pinned so that an upgrade does not change it.
        room_version: String = "12" ["MATRIX_SYNAPSE_ROOM_VERSION"];
        /// Let people register by themselves with a registration token. Without it only this program makes accounts.
        registration: bool = "false" ["MATRIX_SYNAPSE_REGISTRATION", "MATRIX_ENABLE_REGISTRATION"];
        /// The secret that registers accounts; made by us where it is not given.
        #[secret] registration_secret: Option<Secret> = "" ["SYNAPSE_REGISTRATION_SECRET", "MATRIX_SYNAPSE_REGISTRATION_SECRET"];
        /// Encrypt new rooms by default: `off`, `invite` (private rooms) or `all`. It stays off until this program can encrypt: it could not talk in such rooms.
        encryption_enabled_by_default_for_room_type: Encryption = "off" ["MATRIX_SYNAPSE_ENCRYPTION"];
        /// `off`, `private` (only `federation_servers`) or `open`.
        federation: Mode = "off" ["MATRIX_SYNAPSE_FEDERATION"];
        /// The servers of a private federation.
        federation_servers: Vec<String> = "" ["MATRIX_SYNAPSE_FEDERATION_SERVERS"];
        /// PEM files of CAs whose certificates other servers may have. With `private` only these are believed, with `open` these as well as the machine's. A homeserver with a certificate of its `own` has its CA in `tls/ca.pem` of its data folder.
        federation_custom_ca_list: Vec<PathBuf> = "" ["MATRIX_SYNAPSE_FEDERATION_CA_LIST"];
        /// Addresses, such as 127.0.0.0/8 or 10.1.2.3, that this server may speak to although they are not of the public internet: those of other servers on this machine or in this network. All others stay closed, so that nobody makes it ask around in there.
        ip_range_whitelist: Vec<Range> = "" ["MATRIX_SYNAPSE_IP_RANGE_WHITELIST"];
        /// The largest upload.
        max_upload_size: Size = "50M" ["MATRIX_SYNAPSE_MAX_UPLOAD_SIZE"];
        /// How long media of other servers are kept after they were last seen.
        remote_media_lifetime: Span = "90d" ["MATRIX_SYNAPSE_REMOTE_MEDIA_LIFETIME"];
        /// Show who is online; costs much on a busy server.
        presence: bool = "false" ["MATRIX_SYNAPSE_PRESENCE"];
        /// Messages a user may send a second in the long run.
        messages_per_second: f64 = "0.5" ["MATRIX_SYNAPSE_MESSAGES_PER_SECOND"];
        /// Messages a user may send at once.
        messages_burst: u32 = "30" ["MATRIX_SYNAPSE_MESSAGES_BURST"];
        /// Logins a second from one address or to one account in the long run.
        logins_per_second: f64 = "0.17" ["MATRIX_SYNAPSE_LOGINS_PER_SECOND"];
        /// Logins at once.
        logins_burst: u32 = "5" ["MATRIX_SYNAPSE_LOGINS_BURST"];
        /// The shortest password.
        password_length: u32 = "12" ["MATRIX_SYNAPSE_PASSWORD_LENGTH"];
        /// Work put into a password hash; each step doubles it.
        bcrypt_rounds: u32 = "12" ["MATRIX_SYNAPSE_BCRYPT_ROUNDS"];
        /// How much memory the caches may take, as a factor.
        cache_factor: f64 = "1.0" ["MATRIX_SYNAPSE_CACHE_FACTOR"];
        /// How much Synapse writes to its log. DEBUG may hold private things.
        log_level: LogLevel = "INFO" ["MATRIX_SYNAPSE_LOG_LEVEL", "SYNAPSE_LOG_LEVEL"];
    }
}
