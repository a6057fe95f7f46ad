//! Why something cannot be sealed or opened.

use std::path::PathBuf;

use crate::{
    error::{Explain, Kind},
    files,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{0}` is no public key of age")]
    NoRecipient(String),
    #[error("`{0}` is a key that only a plugin or a newer kind of age knows")]
    OtherRecipient(String),
    #[error("there is no secret key of age in `{}`", .0.display())]
    NoIdentity(PathBuf),
    #[error("the secret key in line {line} of `{}` cannot be read", path.display())]
    BadIdentity { path: PathBuf, line: usize },
    #[error("the secret keys in `{}` are encrypted themselves", .0.display())]
    SealedIdentity(PathBuf),
    #[error("there is no public key of age in `{}`", .0.display())]
    NoRecipients(PathBuf),
    #[error("the passphrase in `{}` is empty", .0.display())]
    EmptyPassphrase(PathBuf),
    #[error("its header is none of age's")]
    Header,
    #[error("it is encrypted for keys")]
    NeedsIdentity,
    #[error("it is encrypted with a passphrase")]
    NeedsPassphrase,
    #[error("it is encrypted for other keys")]
    OtherKeys,
    #[error("it is encrypted with another passphrase")]
    WrongPassphrase,
    #[error("its passphrase takes too much work to try (2^{0})")]
    TooMuchWork(u8),
    #[error("it ends too early")]
    CutOff,
    #[error("it was altered")]
    Altered,
    #[error("a cipher failed")]
    Cipher,
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Error {
    /// Whether other keys than those that were given would help.
    pub(crate) fn is_about_keys(&self) -> bool {
        matches!(
            self,
            Self::NeedsIdentity
                | Self::NeedsPassphrase
                | Self::OtherKeys
                | Self::WrongPassphrase
                | Self::TooMuchWork(_)
        )
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Header | Self::CutOff | Self::Altered | Self::Cipher => Kind::Environment,
            Self::File(error) => error.kind(),
            _ => Kind::Request,
        }
    }

    fn hint(&self) -> Option<String> {
        let said = match self {
            Self::NoRecipient(_) | Self::NoRecipients(_) => {
                "`age-keygen -o key.txt` makes a key, and prints the public one, which begins with `age1`"
            }
            Self::OtherRecipient(_) => {
                "name a key that `age-keygen` made; such a one is 62 letters long"
            }
            Self::NoIdentity(_) | Self::BadIdentity { .. } => {
                "name the file that `age-keygen` wrote: a line in it begins with `AGE-SECRET-KEY-1`"
            }
            Self::SealedIdentity(_) => {
                "decrypt them first: `age -d -o key.txt FILE`, and name that file"
            }
            Self::EmptyPassphrase(_) => "write it into the first line of that file",
            Self::NeedsIdentity => "`--identity FILE` names the file with the secret key",
            Self::OtherKeys => {
                "`--identity FILE` names the file with the secret key that belongs to one of them"
            }
            Self::NeedsPassphrase | Self::WrongPassphrase => {
                "`--passphrase-file FILE` names the file with the passphrase"
            }
            Self::TooMuchWork(_) => "decrypt it with the `age` program first: `age -d FILE`",
            Self::File(error) => return error.hint(),
            Self::Header | Self::CutOff | Self::Altered | Self::Cipher => return None,
        };
        Some(said.to_owned())
    }
}
