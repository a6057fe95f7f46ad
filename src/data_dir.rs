//! Where everything lives: one data folder, a path a name. Two data folders are two servers.

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::files;

/// The data folder of one homeserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataDir(PathBuf);

/// The longest path of a unix socket is 107 bytes; the longest name we put behind it is
/// `thread-subscriptions-200.repl`.
const LONGEST_SOCKET_FOLDER: usize = 107 - 31;

/// What an installation makes again, by its names in the data folder.
pub(crate) const PROGRAM: [&str; 8] = [
    "environments",
    "cache",
    "synapse",
    "dendrite",
    "rms_modules",
    "instance.env",
    "web",
    "crypto",
];
/// What is about this data folder rather than about the homeserver in it: the lock of the command that is at
/// work, archives and backups.
pub(crate) const STAYS: [&str; 3] = ["run", "aside", "backups"];

impl DataDir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// The operator's settings; with comments, never rewritten whole.
    pub(crate) fn settings(&self) -> PathBuf {
        self.0.join("settings.yaml")
    }

    /// The operator's own Synapse settings, merged last.
    pub(crate) fn overrides(&self) -> PathBuf {
        self.0.join("homeserver.d")
    }

    /// Mode 0700: secrets, keys and sessions.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    pub(crate) fn secret(&self, name: &str) -> PathBuf {
        self.secrets().join(name)
    }

    /// The password of the superuser of our own PostgreSQL.
    pub(crate) fn superuser_password(&self) -> PathBuf {
        self.secret("postgres_superuser_password")
    }

    /// The key this server signs with; without it the server loses its identity.
    pub(crate) fn signing_key(&self) -> PathBuf {
        self.secret("signing.key")
    }

    /// The sessions this program acts with, a file a user.
    pub(crate) fn sessions(&self) -> PathBuf {
        self.secrets().join("sessions")
    }

    /// What we render for Synapse to read.
    pub(crate) fn synapse(&self) -> PathBuf {
        self.0.join("synapse")
    }

    pub(crate) fn homeserver_yaml(&self) -> PathBuf {
        self.synapse().join("homeserver.yaml")
    }

    /// What we render for Dendrite to read, where the homeserver is Dendrite.
    pub(crate) fn dendrite(&self) -> PathBuf {
        self.0.join("dendrite")
    }

    pub(crate) fn dendrite_yaml(&self) -> PathBuf {
        self.dendrite().join("dendrite.yaml")
    }

    /// What is under way between the parts of Dendrite: it belongs to the database.
    pub(crate) fn jetstream(&self) -> PathBuf {
        self.0.join("jetstream")
    }

    /// Where given transaction ids have led at a Dendrite: it belongs to the database.
    pub(crate) fn sent(&self) -> PathBuf {
        self.0.join("sent")
    }

    /// Our modules for Synapse. Its processes run in the data folder, so that Python imports from there: this is the
    /// name of their package, also in its settings.
    pub(crate) fn modules(&self) -> PathBuf {
        self.0.join("rms_modules")
    }

    /// How Synapse writes its log.
    pub(crate) fn log_yaml(&self) -> PathBuf {
        self.synapse().join("log.yaml")
    }

    /// What we render for nginx to read, and its temporary files.
    pub(crate) fn proxy(&self) -> PathBuf {
        self.0.join("proxy")
    }

    /// What coturn reads and writes.
    pub(crate) fn turn(&self) -> PathBuf {
        self.0.join("turn")
    }

    /// The client for browsers that was built here, and what it is told.
    pub(crate) fn web(&self) -> PathBuf {
        self.0.join("web")
    }

    /// Bridges to other networks, a folder each.
    pub(crate) fn bridges(&self) -> PathBuf {
        self.0.join("bridges")
    }

    /// Webhooks with their tokens, a file each.
    pub(crate) fn hooks(&self) -> PathBuf {
        self.secrets().join("hooks")
    }

    /// The devices of this installation for encrypted rooms, with their keys. They are never copied nor brought back: two
    /// that go on from the same keys would use some of them twice. A new device takes their place.
    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("crypto")
    }

    /// What is to be sent, and what of it was refused.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }

    /// What Synapse is told of the relay.
    pub(crate) fn relay(&self) -> PathBuf {
        self.0.join("relay")
    }

    pub(crate) fn media(&self) -> PathBuf {
        self.0.join("media")
    }

    /// Where backups go unless another place is named.
    pub(crate) fn backups(&self) -> PathBuf {
        self.0.join("backups")
    }

    /// Certificates, which anybody may see: our own CA's and those it signed.
    pub(crate) fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// The certificate of our own CA, for others to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.tls().join("ca.pem")
    }

    /// Private Python environments: a folder a set, and a link `synapse` to the one in use.
    pub(crate) fn environments(&self) -> PathBuf {
        self.0.join("environments")
    }

    /// The Synapse environment in use.
    pub(crate) fn synapse_environment(&self) -> PathBuf {
        self.environments().join("synapse")
    }

    /// The folder of the Dendrite in use, a link.
    pub(crate) fn dendrite_environment(&self) -> PathBuf {
        self.environments().join("dendrite")
    }

    /// Whether the homeserver that is installed is Dendrite.
    pub(crate) fn is_dendrite(&self) -> bool {
        self.dendrite_yaml().exists()
    }

    /// The packages of each Synapse that was installed here, with their hashes: what the next install of that
    /// version gets.
    pub(crate) fn locks(&self) -> PathBuf {
        self.0.join("locks")
    }

    /// The embedded PostgreSQL: `data` is the cluster.
    pub(crate) fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// What can be made again: answers of slow questions, by the hash of what they depend on.
    pub(crate) fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// Locks, state.json, and the sockets where the path is short enough.
    pub(crate) fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// Held by our supervisor as long as it lives.
    pub(crate) fn supervisor_lock(&self) -> PathBuf {
        self.run().join("supervisor.lock")
    }

    /// There as long as the supervisor keeps this service and its process does not run.
    pub(crate) fn down(&self, service: &str) -> PathBuf {
        self.down_marks().join(service)
    }

    pub(crate) fn down_marks(&self) -> PathBuf {
        self.run().join("down")
    }

    /// What others may know of the installed instance, as `NAME=value` lines; `config/exports.sh`
    /// reads it.
    pub(crate) fn instance_file(&self) -> PathBuf {
        self.0.join("instance.env")
    }

    /// Which Redis of the platform's is in use.
    pub(crate) fn redis_note(&self) -> PathBuf {
        self.0.join("redis.json")
    }

    /// The archives of uninstalls, a dated folder each.
    pub(crate) fn archives(&self) -> PathBuf {
        self.0.join("aside")
    }

    /// Where sockets go: `run`, or where that path is too long for a socket a folder in `/tmp`
    /// that is named after this data folder.
    pub(crate) fn sockets(&self) -> PathBuf {
        let run = self.run();
        if run.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
            return run;
        }
        let hash = Sha256::digest(self.0.as_os_str().as_bytes());
        let name = HEXLOWER.encode(&hash[..8]);
        PathBuf::from(format!("/tmp/matrix-synapse-{}-{name}", rustix::process::geteuid().as_raw()))
    }

    /// Whether there is a homeserver in it, or workers of one elsewhere.
    pub(crate) fn is_installed(&self) -> bool {
        // In an image, where containers keep the services.
        let brought = || self.kept().exists() && self.synapse_environment().is_symlink();
        let synapse = || {
            (self.synapse_environment().exists() || brought()) && self.homeserver_yaml().exists()
        };
        // One whose program is gone is no less that homeserver.
        let dendrite = || self.dendrite_yaml().exists();
        self.instance_file().exists() && (synapse() || dendrite()) || self.is_in_cluster()
    }

    /// Whether the homeserver runs in a cluster of Kubernetes, and here are its settings and secrets alone.
    pub(crate) fn is_in_cluster(&self) -> bool {
        self.kept().exists() && self.cluster().is_dir() && self.instance_file().exists()
    }

    /// What is applied to a cluster.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.0.join("kubernetes")
    }

    /// What the supervisor writes for others to read.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.run().join("state.json")
    }

    /// Who keeps the services, where that is not our own supervisor.
    pub(crate) fn kept(&self) -> PathBuf {
        self.0.join("kept.json")
    }

    /// The socket on which the supervisor answers.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.sockets().join("control.sock")
    }

    /// Makes the folders that everything else expects, all of mode 0700.
    pub(crate) fn create(&self) -> Result<(), files::Error> {
        let folders = [
            self.0.clone(),
            self.overrides(),
            self.secrets(),
            self.sessions(),
            self.synapse(),
            self.media(),
            self.tls(),
            self.logs(),
            self.cache(),
            self.run(),
            self.sockets(),
        ];
        folders.iter().try_for_each(|folder| files::private_folder(folder))?;
        // The cache has many files, and one too many does no harm there.
        let swept = [self.0.clone(), self.secrets(), self.sessions(), self.synapse(), self.run()];
        for folder in &swept {
            files::sweep(folder);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_data_folder_gets_a_short_socket_folder() {
        let short = DataDir::new("/home/a/.vrooli/resources/matrix-synapse".into());
        assert_eq!(short.sockets(), short.run());
        let long = DataDir::new(format!("/{}", "x".repeat(200)).into());
        assert!(long.sockets().as_os_str().len() < 50);
        assert_ne!(long.sockets(), DataDir::new(format!("/{}", "y".repeat(200)).into()).sockets());
    }
}
