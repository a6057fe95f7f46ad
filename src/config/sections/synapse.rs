//! How Synapse behaves: what a homeserver in production wants to decide.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    config::values::{
        range::Range,
        setting::section,
        shape::{Shape, Size, Span, words},
    },
    secret::Secret,
};

words! {
    /// Which new rooms Synapse encrypts by force.
    Encryption {
        Off = "off",
        Invite = "invite",
        All = "all",
    }
}

/// A version of rooms (specification, "Room versions").
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct RoomVersion(String);

impl RoomVersion {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Shape for RoomVersion {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        if text.is_empty() || text.len() > 32 || !text.chars().all(allowed) {
            return Err("must be a version of rooms such as `12`".into());
        }
        Ok(Self(text))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9.-]{1,32}$" })
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
        /// Version of Synapse to install. Empty: the one whose locked packages this program ships.
        version: Option<String> = "" ["MATRIX_SYNAPSE_VERSION"];
        /// File with the packages of Synapse modules of your own, each with its version and hash, which are installed beside Synapse. The modules themselves are named in a file of `homeserver.d`.
        modules: Option<PathBuf> = "" ["MATRIX_SYNAPSE_MODULES"];
        /// Import Synapse once and fork its processes from that, which starts and restarts them in a quarter to half of the time and shares memory among workers. Otherwise each process imports Synapse for itself.
        forkserver: bool = "true" ["MATRIX_SYNAPSE_FORKSERVER"];
        /// Room version of new rooms; pinned, so that an upgrade does not change it.
        room_version: RoomVersion = "12" ["MATRIX_SYNAPSE_ROOM_VERSION"];
        /// Let people register with a registration token. Otherwise only this program creates accounts.
        registration: bool = "false" ["MATRIX_SYNAPSE_REGISTRATION", "MATRIX_ENABLE_REGISTRATION"];
        /// Shared secret for registering accounts; generated if it is not set.
        #[secret] registration_secret: Option<Secret> = "" ["SYNAPSE_REGISTRATION_SECRET", "MATRIX_SYNAPSE_REGISTRATION_SECRET"];
        /// Have Synapse encrypt new rooms whoever makes them and whatever they ask for: `off`, `invite` (private rooms) or `all`. Keep it `off` where there are bridges: rooms that they make are encrypted too, and they hear nothing there. `rooms.encrypt` leaves the choice to people.
        encryption_enabled_by_default_for_room_type: Encryption = "off" ["MATRIX_SYNAPSE_ENCRYPTION"];
        /// `off`, `private` (only with `federation_servers`) or `open`.
        federation: Mode = "off" ["MATRIX_SYNAPSE_FEDERATION"];
        /// Servers of a private federation.
        federation_servers: Vec<String> = "" ["MATRIX_SYNAPSE_FEDERATION_SERVERS"];
        /// PEM files of additional CAs for other servers' certificates. With `private` only these are trusted, with `open` also those of the machine. The CA of a homeserver whose certificate is `own` is `tls/ca.pem` in its data folder.
        federation_custom_ca_list: Vec<PathBuf> = "" ["MATRIX_SYNAPSE_FEDERATION_CA_LIST"];
        /// Addresses outside the public internet that this server may connect to, such as 127.0.0.0/8 or 10.1.2.3: other servers on this machine or in this network. All others stay blocked, against server-side request forgery.
        ip_range_whitelist: Vec<Range> = "" ["MATRIX_SYNAPSE_IP_RANGE_WHITELIST"];
        /// Size of the largest upload.
        max_upload_size: Size = "50M" ["MATRIX_SYNAPSE_MAX_UPLOAD_SIZE"];
        /// How long media of other servers are kept after they were last accessed.
        remote_media_lifetime: Span = "90d" ["MATRIX_SYNAPSE_REMOTE_MEDIA_LIFETIME"];
        /// Show who is online; expensive on a busy server.
        presence: bool = "false" ["MATRIX_SYNAPSE_PRESENCE"];
        /// Sustained rate of messages per user, per second.
        messages_per_second: f64 = "0.5" ["MATRIX_SYNAPSE_MESSAGES_PER_SECOND"];
        /// Messages a user may send at once before that rate applies.
        messages_burst: u32 = "30" ["MATRIX_SYNAPSE_MESSAGES_BURST"];
        /// Sustained rate of logins per address and per account, per second.
        logins_per_second: f64 = "0.17" ["MATRIX_SYNAPSE_LOGINS_PER_SECOND"];
        /// Logins at once before that rate applies.
        logins_burst: u32 = "5" ["MATRIX_SYNAPSE_LOGINS_BURST"];
        /// Minimum length of a password.
        password_length: u32 = "12" ["MATRIX_SYNAPSE_PASSWORD_LENGTH"];
        /// Cost of a password hash; each step doubles it.
        bcrypt_rounds: u32 = "12" ["MATRIX_SYNAPSE_BCRYPT_ROUNDS"];
        /// Factor on the size of Synapse's caches, and so on its memory.
        cache_factor: f64 = "1.0" ["MATRIX_SYNAPSE_CACHE_FACTOR"];
        /// Log level of Synapse. DEBUG may log private data.
        log_level: LogLevel = "INFO" ["MATRIX_SYNAPSE_LOG_LEVEL", "SYNAPSE_LOG_LEVEL"];
    }
}
