//! Where keys are kept: a folder for each device with a SQLite file that is sealed with one key for all of them, which lies
//! apart from them. One process at a time has a store: two that go on from the same state would use a ratchet twice.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use matrix_sdk_crypto::{CollectStrategy, store::types::CrossSigningKeyExport};
use matrix_sdk_sqlite::{OpenStoreError, SqliteCryptoStore};
use ruma::{DeviceId, OwnedDeviceId, RoomId, UserId};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::wire::{self, plain};

const PRIVATE: u32 = 0o600;
/// The name that the library gives its file.
const FILE: &str = "matrix-sdk-crypto.sqlite3";
/// Beside what is noted of rooms, whose names begin with another letter.
const MARK: &str = "mark";

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{}`", .0.display())]
    File(PathBuf, #[source] io::Error),
    #[error("`{}` is damaged: once it is removed, another takes its place", .0.display())]
    Key(PathBuf),
    #[error("`{}` is of another program that runs", .0.display())]
    Taken(PathBuf),
    #[error("`{}` is damaged", .0.display())]
    Damaged(PathBuf, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("`{}` was made by a newer version of this program, or is damaged: install that one, or remove the folder", .0.display())]
    Newer(PathBuf),
    #[error("`{}` cannot be opened", .0.display())]
    Open(PathBuf, #[source] Box<dyn std::error::Error + Send + Sync>),
}

pub(crate) struct Stores {
    stores: PathBuf,
    secrets: PathBuf,
    key: [u8; 32],
    /// Whose devices get keys.
    pub(crate) share_with: CollectStrategy,
}

/// What is kept of an account, so that another device can take the place of one whose keys are lost.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Kept {
    /// The secret halves of its identity, in unpadded base64.
    pub(crate) master_key: Option<String>,
    pub(crate) self_signing_key: Option<String>,
    pub(crate) user_signing_key: Option<String>,
    /// What opens its secret storage at the homeserver, as a person types it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovery_key: Option<String>,
    /// What opens the backup of its room keys there, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backup_key: Option<String>,
    /// Whether all this is in the secret storage.
    #[serde(default)]
    pub(crate) is_stored: bool,
    /// Whether it was lost, and with it what opens the secret storage and the backup that are there: others take their places.
    #[serde(default)]
    pub(crate) is_anew: bool,
}

impl Kept {
    pub(crate) fn identity(&self) -> CrossSigningKeyExport {
        CrossSigningKeyExport {
            master_key: self.master_key.clone(),
            self_signing_key: self.self_signing_key.clone(),
            user_signing_key: self.user_signing_key.clone(),
        }
    }

    /// The same with another identity, which is nowhere else yet.
    pub(crate) fn with(self, identity: &CrossSigningKeyExport) -> Self {
        Self {
            master_key: identity.master_key.clone(),
            self_signing_key: identity.self_signing_key.clone(),
            user_signing_key: identity.user_signing_key.clone(),
            is_stored: false,
            ..self
        }
    }
}

/// A store and the lock on it.
pub(crate) struct Opened {
    pub(crate) store: SqliteCryptoStore,
    /// Whether nothing had been there.
    pub(crate) is_new: bool,
    pub(crate) lock: File,
}

impl Stores {
    /// `stores` are on this machine alone; `secrets` go with the homeserver.
    pub(crate) fn new(
        stores: PathBuf,
        secrets: PathBuf,
        share_with: CollectStrategy,
    ) -> Result<Self, Error> {
        // The library leaves its files readable for all.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        folder(&stores)?;
        folder(&secrets)?;
        let path = stores.join("key");
        let key = match fs::read(&path) {
            Ok(key) => key.try_into().map_err(|_| Error::Key(path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; 32];
                File::open("/dev/urandom")
                    .and_then(|mut random| io::Read::read_exact(&mut random, &mut key))
                    .map_err(|error| Error::File("/dev/urandom".into(), error))?;
                write(&path, &key)?;
                key
            }
            Err(error) => return Err(Error::File(path, error)),
        };
        Ok(Self { stores, secrets, key, share_with })
    }

    fn of(&self, user: &UserId, device: &DeviceId) -> PathBuf {
        self.stores.join(plain(user.localpart())).join(plain(device.as_str()))
    }

    pub(crate) async fn open(&self, user: &UserId, device: &DeviceId) -> Result<Opened, Error> {
        let path = self.of(user, device);
        folder(&path)?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(|error| Error::File(lock_path, error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| Error::Taken(path.clone()))?;
        let is_new = !path.join(FILE).exists();
        let store =
            SqliteCryptoStore::open_with_key(&path, Some(&self.key)).await.map_err(|error| {
                match error {
                    OpenStoreError::InvalidVersion => Error::Newer(path),
                    // Its key is another one.
                    OpenStoreError::InitCipher(_) => Error::Damaged(path, Box::new(error)),
                    _ if is_damaged(&error) => Error::Damaged(path, Box::new(error)),
                    _ => Error::Open(path, Box::new(error)),
                }
            })?;
        Ok(Opened { store, is_new, lock })
    }

    /// The devices of an account that have a store here.
    pub(crate) fn devices(&self, user: &UserId) -> Result<Vec<OwnedDeviceId>, Error> {
        let path = self.stores.join(plain(user.localpart()));
        let failed = |error| Error::File(path.clone(), error);
        let mut devices = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            if let Some(name) = entry.map_err(failed)?.file_name().to_str() {
                devices.push(name.replace("%2F", "/").into());
            }
        }
        Ok(devices)
    }

    pub(crate) fn remove(&self, user: &UserId, device: &DeviceId) -> Result<(), Error> {
        let used = self.used(user, device);
        if used.exists() {
            fs::remove_dir_all(&used).map_err(|error| Error::File(used, error))?;
        }
        let path = self.of(user, device);
        fs::remove_dir_all(&path).map_err(|error| Error::File(path, error))
    }

    fn used(&self, user: &UserId, device: &DeviceId) -> PathBuf {
        self.secrets.join("used").join(plain(user.localpart())).join(plain(device.as_str()))
    }

    /// Notes by which marks the store of a device is known. They lie apart from the stores.
    pub(crate) fn expect(
        &self,
        (user, device): (&UserId, &DeviceId),
        marks: &[&str],
    ) -> Result<(), Error> {
        let used = self.used(user, device);
        folder(&used)?;
        write(&used.join(MARK), marks.join("\n").as_bytes())
    }

    /// Whether a store with this mark is the last one that there was; one that was put back has an older mark, or none.
    pub(crate) fn is_latest(
        &self,
        (user, device): (&UserId, &DeviceId),
        mark: Option<&str>,
    ) -> Result<bool, Error> {
        let path = self.used(user, device).join(MARK);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(Error::File(path, error)),
            Ok(marks) => Ok(mark.is_some_and(|mark| marks.lines().any(|known| known == mark))),
        }
    }

    /// Says how a device is, for whoever looks at the folder.
    pub(crate) fn note(
        &self,
        user: &UserId,
        device: &DeviceId,
        state: &wire::Device,
    ) -> Result<(), Error> {
        let text = serde_json::to_vec(state).unwrap_or_default();
        write(&self.of(user, device).join(wire::NOTE), &text)
    }

    pub(crate) fn kept(&self, user: &UserId) -> Result<Option<Kept>, Error> {
        let path = self.kept_file(user);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::File(path, error)),
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|_| Error::Key(path)),
        }
    }

    pub(crate) fn keep(&self, user: &UserId, kept: &Kept) -> Result<(), Error> {
        let text = serde_json::to_vec(kept).unwrap_or_default();
        write(&self.kept_file(user), &text)
    }

    /// Notes that a message for a room was encrypted with this place of this session; false where a place of it that
    /// comes later was used before: then the store is an older one that was put back, and goes on as it did the first
    /// time. It is noted apart from the stores, which is why it shows.
    pub(crate) fn advance(
        &self,
        (user, device): (&UserId, &DeviceId),
        room: &RoomId,
        (session, place): (&str, u64),
    ) -> Result<bool, Error> {
        let used = self.used(user, device);
        folder(&used)?;
        let path = used.join(plain(room.as_str()));
        let before = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|error| Error::File(path.clone(), error))?,
        };
        let last = before.strip_prefix(session).and_then(|last| last.trim().parse::<u64>().ok());
        if last.is_some_and(|last| last >= place) {
            return Ok(false);
        }
        // On the disk before anybody has what was encrypted: a store may be older after a power cut.
        write(&path, format!("{session} {place}\n").as_bytes())?;
        Ok(true)
    }

    fn kept_file(&self, user: &UserId) -> PathBuf {
        self.secrets.join(plain(user.localpart())).with_added_extension("json")
    }
}

/// Whether SQLite says that a file is not one of its own, or not whole, or shorter than it was ([codes]): what cannot be
/// read again.
///
/// [codes]: https://www.sqlite.org/rescode.html#corrupt
pub(crate) fn is_damaged(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut now = Some(error);
    while let Some(error) = now {
        let text = error.to_string();
        if ["Error code 11:", "Error code 26:", "Error code 522:"]
            .iter()
            .any(|it| text.contains(it))
        {
            return true;
        }
        now = error.source();
    }
    false
}

fn folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|error| Error::File(path.to_owned(), error))
}

/// Whole or not at all.
fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let new = path.with_added_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(PRIVATE);
    let written = options.open(&new).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    });
    written.map_err(|error| Error::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use ruma::{device_id, room_id, user_id};

    use super::*;

    #[tokio::test]
    async fn a_store_that_is_damaged_or_newer_is_told_from_one_that_cannot_be_had_now() {
        let folder = std::env::temp_dir().join(format!("damaged-{}", std::process::id()));
        let all = CollectStrategy::AllDevices;
        let stores = Stores::new(folder.join("a"), folder.join("b"), all).unwrap();
        let open = async |device: &str| {
            stores
                .open(user_id!("@a:x"), device.into())
                .await
                .map(drop)
                .map_err(|it| it.to_string())
        };
        let file = |device: &str| stores.of(user_id!("@a:x"), device.into()).join(FILE);
        open("D").await.unwrap();
        let whole = fs::read(file("D")).unwrap();
        for (device, content) in
            [("E", &whole[..whole.len() / 2]), ("F", b"no database".as_slice())]
        {
            open(device).await.unwrap();
            for more in ["", "-wal", "-shm"] {
                drop(fs::remove_file(format!("{}{more}", file(device).display())));
            }
            write(&file(device), content).unwrap();
            let said = open(device).await.unwrap_err();
            assert!(said.ends_with("is damaged"), "{said}");
        }
        fs::remove_dir_all(stores.of(user_id!("@a:x"), "F".into())).unwrap();
        fs::create_dir_all(file("F")).unwrap();
        assert!(open("F").await.unwrap_err().ends_with("cannot be opened"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_store_that_was_put_back_is_known_by_its_mark() {
        let folder = std::env::temp_dir().join(format!("marks-{}", std::process::id()));
        let all = CollectStrategy::AllDevices;
        let stores = Stores::new(folder.join("stores"), folder.join("secrets"), all).unwrap();
        let device = (user_id!("@a:x"), device_id!("D"));
        let is_latest = |mark| stores.is_latest(device, mark).unwrap();
        assert!(is_latest(None) && is_latest(Some("of another program")));
        // Killed between the two, it has one or the other.
        stores.expect(device, &["first", "second"]).unwrap();
        assert!(is_latest(Some("first")) && is_latest(Some("second")) && !is_latest(None));
        stores.expect(device, &["second"]).unwrap();
        assert!(!is_latest(Some("first")) && is_latest(Some("second")));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_place_that_was_passed_shows_that_a_store_was_put_back() {
        let folder = std::env::temp_dir().join(format!("crypto-{}", std::process::id()));
        let stores =
            Stores::new(folder.join("stores"), folder.join("secrets"), CollectStrategy::AllDevices)
                .unwrap();
        let advance = |session: &str, place| {
            let device = (user_id!("@a:x"), device_id!("D"));
            stores.advance(device, room_id!("!r:x"), (session, place)).unwrap()
        };
        assert!(
            advance("s+/1", 0) && advance("s+/1", 1) && advance("s+/1", 9) && advance("s+/1", 10)
        );
        assert!(!advance("s+/1", 10) && !advance("s+/1", 2));
        assert!(advance("t", 0) && advance("t", 11));
        fs::remove_dir_all(folder).unwrap();
    }
}
