//! What an encrypted backup is opened with.

use std::path::{Path, PathBuf};

use tokio::task;

use crate::{
    age::Keys,
    backup::{self, Manifest, Source, read::Reader},
    context::Context,
    error::Failure,
    instance::backup::{sealing, store},
};

#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Opening {
    /// File with the secret key of an encrypted backup, as `age-keygen` writes it
    #[arg(long, value_name = "FILE")]
    pub(super) identity: Vec<PathBuf>,
    /// File with the passphrase of an encrypted backup, in its first line
    #[arg(long, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
}

impl Opening {
    pub(super) fn keys(&self, context: &Context) -> Result<Keys, Failure> {
        // Where the settings cannot be read, what was typed may be enough.
        // Read for this alone: a restore brings other settings, which count from then on.
        let config = context.config_now().ok();
        sealing::keys(config.as_ref(), &self.identity, self.passphrase_file.as_deref())
    }
}

/// The backup that a person named.
pub(super) fn source(context: &Context, file: &Path) -> Result<Source, Failure> {
    store::named(|| context.config_now(), file)
}

/// What one says of itself, and what can be seen of it.
pub(super) struct Seen {
    pub(super) manifest: Manifest,
    pub(super) is_encrypted: bool,
    /// In bytes.
    pub(super) size: u64,
}

pub(super) async fn look(source: &Source, keys: &Keys) -> Result<Seen, backup::Error> {
    let (source, keys) = (source.clone(), keys.clone());
    waiting(move || {
        let reader = Reader::open(&source, &keys)?;
        let (is_encrypted, size) = (reader.is_encrypted, reader.size);
        Ok(Seen { manifest: reader.manifest()?, is_encrypted, size })
    })
    .await
}

/// What waits for a disk or a store, in a thread that may.
pub(super) async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, backup::Error> + Send + 'static,
) -> Result<T, backup::Error> {
    task::spawn_blocking(work).await.unwrap_or(Err(backup::Error::Stopped))
}
