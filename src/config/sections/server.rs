//! Who this homeserver is and where it can be reached.

use std::path::PathBuf;

use crate::config::values::{
    addresses::Addresses,
    setting::section,
    shape::{HttpUrl, Localpart, Port, ServerName, Words as _, words},
};
use crate::{config::Config, data_dir::DataDir};

words! {
    /// The program that is the homeserver.
    #[derive(Default)]
    Kind {
        #[default]
        Synapse = "synapse",
        Dendrite = "dendrite",
    }
}

impl Kind {
    /// That which is installed in a data folder, or which there is unless it is said otherwise.
    pub(crate) fn installed(data: &DataDir) -> Self {
        if data.is_dendrite() { Self::Dendrite } else { Self::Synapse }
    }

    /// Whether a service is the homeserver, whichever program it is.
    pub(crate) fn is_service(name: &str) -> bool {
        Self::ALL.iter().any(|kind| kind.service() == name)
    }

    /// The file of its settings.
    pub(crate) fn settings(self, data: &DataDir) -> PathBuf {
        match self {
            Self::Synapse => data.homeserver_yaml(),
            Self::Dendrite => data.dendrite_yaml(),
        }
    }

    /// The name of that file.
    pub(crate) fn settings_name(self) -> &'static str {
        match self {
            Self::Synapse => "homeserver.yaml",
            Self::Dendrite => "dendrite.yaml",
        }
    }

    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Synapse => "Synapse",
            Self::Dendrite => "Dendrite",
        }
    }

    /// Where it says over HTTP that it is well.
    pub(crate) const fn health(self) -> &'static str {
        match self {
            Self::Synapse => "/health",
            Self::Dendrite => "/_dendrite/monitor/health",
        }
    }

    /// The name of its service.
    pub(crate) fn service(self) -> &'static str {
        self.word()
    }
}

section! {
    /// Who this homeserver is and where it can be reached.
    Server "server" {
        /// The program that is the homeserver: `synapse`, or `dendrite` for a small machine, which can do less. It cannot be changed once it is installed.
        kind: Kind = "synapse" ["MATRIX_SYNAPSE_SERVER_KIND"];
        /// The domain part of every user id. It cannot be changed once there are users.
        name: ServerName = "vrooli.local" ["MATRIX_SYNAPSE_SERVER_NAME", "MATRIX_SERVER_NAME", "SYNAPSE_SERVER_NAME"];
        /// Port of Synapse's client and federation API.
        port: Port = "8008" ["MATRIX_SYNAPSE_PORT", "MATRIX_HTTP_PORT"];
        /// Address that Synapse listens on, or several: `127.0.0.1, ::1`. Anything but loopback makes it reachable from other machines.
        address: Addresses = "127.0.0.1" ["MATRIX_SYNAPSE_ADDRESS"];
        /// Port of Synapse's Prometheus metrics, on loopback only.
        metrics_port: Port = "8009" ["MATRIX_SYNAPSE_METRICS_PORT", "MATRIX_METRICS_PORT"];
        /// Base URL that clients use. Default: the URL of the proxy if the profile has one, else that of Synapse's listener.
        public_url: Option<HttpUrl> = "" ["MATRIX_SYNAPSE_PUBLIC_URL", "MATRIX_SYNAPSE_PUBLIC_BASEURL"];
        /// Trust `X-Forwarded-For` from a reverse proxy of your own on this machine, which forwards to the built-in proxy or to Synapse. Without such a proxy clients could forge their address.
        behind_proxy: bool = "false" ["MATRIX_SYNAPSE_BEHIND_PROXY"];
        /// Localpart of the account this program acts with; a server admin without rate limits.
        operator: Localpart = "operator" ["MATRIX_SYNAPSE_OPERATOR"];
        /// Contact shown to users: `mailto:` and an address.
        admin_contact: Option<String> = "" ["MATRIX_SYNAPSE_ADMIN_CONTACT"];
    }
}

impl Config {
    /// Whether the homeserver is Dendrite.
    pub(crate) fn is_dendrite(&self) -> bool {
        self.server.kind == Kind::Dendrite
    }
}
