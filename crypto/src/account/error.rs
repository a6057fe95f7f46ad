//! Why a question has no answer.

use matrix_sdk_crypto::{
    CryptoStoreError, KeyExportError, MegolmError, OlmError, SecretImportError,
    SessionRecipientCollectionError, SignatureError,
};
use ruma::{OwnedDeviceId, OwnedRoomId, OwnedUserId};

use crate::{
    http::{self, Refused},
    store,
    wire::{Failed, Fault},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{0}` is no id")]
    Id(String),
    #[error("the room `{0}` is not encrypted")]
    Plain(OwnedRoomId),
    #[error("the room `{room}` is encrypted by `{algorithm}`, which is not known here")]
    Algorithm { room: OwnedRoomId, algorithm: String },
    #[error("not verified: {}", .0.iter().map(|user| user.as_str()).collect::<Vec<_>>().join(", "))]
    Unverified(Vec<OwnedUserId>),
    #[error("the homeserver did not take the signature")]
    NotSigned,
    #[error("the homeserver knows the device `{0}` with other keys than are here")]
    Lost(OwnedDeviceId),
    #[error("the keys of the device `{0}` are older than what it has sent")]
    Old(OwnedDeviceId),
    #[error(transparent)]
    Http(#[from] http::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the store cannot be used")]
    Keys(#[from] CryptoStoreError),
    #[error("the keys cannot be used")]
    Olm(#[from] OlmError),
    #[error("the message cannot be encrypted")]
    Megolm(#[from] MegolmError),
    #[error("the device cannot be signed")]
    Signature(#[from] SignatureError),
    #[error("the identity that was kept cannot be used")]
    Identity(#[from] SecretImportError),
    #[error("the identity or the backup of `{0}` was made by another program")]
    Elsewhere(OwnedUserId),
    #[error("the key backup of `{0}` was made by another program")]
    OtherBackup(OwnedUserId),
    #[error("`{0}` has no key backup at the homeserver")]
    NoBackup(OwnedUserId),
    #[error("`{0}` has no secret storage with its identity at the homeserver")]
    NoStorage(OwnedUserId),
    #[error("the recovery key does not open the account's secret storage")]
    Recovery,
    #[error("the secret `{0}` in the account's secret storage is damaged")]
    Secret(String),
    #[error("the key of the account's backup is damaged")]
    BackupKey,
    #[error("the file with keys cannot be opened")]
    Export(#[from] KeyExportError),
    #[error("the file with keys asks for more work than a passphrase needs")]
    Rounds,
    #[error("it was stopped")]
    Stopped,
    #[error("it is no JSON")]
    Json(#[from] serde_json::Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Id(_) | Error::Json(_) | Error::Unverified(_) => Fault::Question,
            Error::Plain(_) => Fault::Plain,
            Error::Algorithm { .. } => Fault::Algorithm,
            Error::Lost(_) | Error::Old(_) | Error::Store(store::Error::Damaged(..)) => Fault::Lost,
            Error::Keys(CryptoStoreError::MismatchedAccount { .. }) => Fault::Lost,
            Error::Keys(error) if store::is_damaged(error) => Fault::Lost,
            Error::Olm(OlmError::SessionRecipientCollectionError(
                SessionRecipientCollectionError::CrossSigningNotSetup
                | SessionRecipientCollectionError::SendingFromUnverifiedDevice,
            )) => Fault::Unsigned,
            Error::Elsewhere(_)
            | Error::OtherBackup(_)
            | Error::NoBackup(_)
            | Error::NoStorage(_)
            | Error::Recovery
            | Error::Secret(_)
            | Error::BackupKey => Fault::Recovery,
            Error::Export(_) | Error::Rounds => Fault::Export,
            Error::Http(http::Error::Refused(Refused { status: 429 | 502..=504, .. })) => {
                Fault::Away
            }
            Error::Http(http::Error::Refused(Refused { code, .. }))
                if code == "M_UNKNOWN_TOKEN" =>
            {
                Fault::Token
            }
            Error::Http(http::Error::Away(_)) => Fault::Away,
            Error::Http(_) | Error::NotSigned => Fault::Refused,
            _ => Fault::Store,
        };
        let refusal = match &error {
            Error::Http(http::Error::Refused(Refused { status, code, .. })) => {
                Some((*status, code.clone()))
            }
            _ => None,
        };
        let mut what = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(now) = cause {
            what = format!("{what}: {now}");
            cause = now.source();
        }
        Self { kind, refusal, what }
    }
}
