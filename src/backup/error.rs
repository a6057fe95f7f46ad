//! What can be wrong with an archive.

use std::{io, path::PathBuf};

use super::manifest::FORMAT;
use crate::{
    age,
    error::{Explain, Kind},
    files,
    s3::objects,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{}` is not a backup of this program", .0.display())]
    Foreign(PathBuf),
    #[error("the backup `{}` is of a newer kind ({format}; this program knows {FORMAT})", path.display())]
    Newer { path: PathBuf, format: u32 },
    #[error("the backup `{}` is cut off", .0.display())]
    CutOff(PathBuf),
    #[error("the backup `{}` is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("the backup `{}` cannot be opened", path.display())]
    Sealed {
        path: PathBuf,
        #[source]
        why: age::Error,
    },
    #[error("`{}` changed while it was read", .0.display())]
    Changes(PathBuf),
    #[error("a backup cannot be written")]
    Write(#[source] io::Error),
    /// Whoever has more to write has given up, and says why.
    #[error("the backup was given up")]
    Stopped,
    #[error("`{}` cannot be read: {why}", path.display())]
    Read { path: PathBuf, why: String },
    #[error(transparent)]
    Store(#[from] objects::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Error {
    /// Whether that is wrong with the archive itself, wherever it is read.
    pub(crate) fn is_of_the_archive(&self) -> bool {
        matches!(self, Self::Foreign(_) | Self::CutOff(_) | Self::Damaged { .. })
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Foreign(_) | Self::Newer { .. } | Self::Sealed { .. } => Kind::Request,
            _ => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) if error.is_not_found() => {
                Some("`manage backup list` shows those there are".into())
            }
            Self::Foreign(_) => Some("`manage backup list` shows those there are".into()),
            Self::Newer { .. } => Some("take it back with the program that made it, or a newer one".into()),
            Self::Damaged { what, .. } if what.contains("/blobs/") => {
                Some("an incremental backup needs the folder `blobs` of where it was made: copy that beside it".into())
            }
            Self::CutOff(_) | Self::Damaged { .. } => {
                Some("take another one: `manage backup list` shows those there are, and `manage backup verify FILE` tries one".into())
            }
            Self::Sealed { why, .. } => why.hint(),
            Self::Changes(_) => Some("run it again".into()),
            Self::Write(error) if error.kind() == io::ErrorKind::StorageFull => {
                Some(files::FREE_SPACE.into())
            }
            Self::Read { .. } => Some("run it again when the store answers".into()),
            Self::Store(error) => error.hint(),
            Self::Write(error) => {
                error.get_ref()?.downcast_ref::<objects::Error>().and_then(Explain::hint)
            }
            Self::Stopped => None,
            Self::File(error) => error.hint(),
        }
    }
}
