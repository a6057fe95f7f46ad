//! What can be wrong with certificates and keys, and what to do about it.

use std::path::PathBuf;

use super::names::listed;
use crate::{
    error::{Explain, Kind},
    files,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`tls.certificate` is a file, and `tls.key` does not name the file with its key")]
    NoKeySetting,
    #[error("`{}` contains no certificate{}", path.display(), but(*found))]
    NoCertificate { path: PathBuf, found: Option<&'static str> },
    #[error("`{}` contains no private key{}", path.display(), but(*found))]
    NoKey { path: PathBuf, found: Option<&'static str> },
    #[error("`{}` is not in PEM format", path.display())]
    Der { path: PathBuf, openssl: &'static str },
    #[error("`{}` begins with a byte order mark, past which the proxy does not read", .0.display())]
    Marked(PathBuf),
    #[error("the private key in `{}` is encrypted with a passphrase", .0.display())]
    Locked(PathBuf),
    #[error("the private key in `{}` is of an unsupported type", .0.display())]
    Key(PathBuf),
    #[error("`{}` is readable by every user of this machine", .0.display())]
    Open(PathBuf),
    #[error("the private key in `{}` does not belong to the certificate in `{}`", key.display(), certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("certificate {number} in `{}` is damaged", path.display())]
    Damaged { path: PathBuf, number: usize },
    #[error("the certificate in `{}` expired on {when}", path.display())]
    Expired { path: PathBuf, when: String },
    #[error("the certificate in `{}` is not valid before {when}", path.display())]
    Early { path: PathBuf, when: String },
    #[error("the certificate in `{}` is for {}, not for {}", path.display(), listed(has), listed(wanted))]
    Names { path: PathBuf, has: Vec<String>, wanted: Vec<String> },
    #[error("in `{}` the certificate of `{subject}` is not followed by that of its issuer, `{issuer}`", path.display())]
    Order { path: PathBuf, subject: String, issuer: String },
    #[error("`{}` is there, and the key of this CA, `{}`, is not", certificate.display(), key.display())]
    LostKey { certificate: PathBuf, key: PathBuf },
    #[error("the certificate cannot be created")]
    Make(#[from] rcgen::Error),
    #[error("a certificate cannot be checked")]
    Check(#[source] rustls::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

fn but(found: Option<&'static str>) -> String {
    found.map(|what| format!(" but {what}")).unwrap_or_default()
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Make(_) | Self::Check(_) => Kind::Bug,
            Self::File(error) => error.kind(),
            Self::LostKey { .. } => Kind::Environment,
            _ => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Der { path, openssl } => {
                return Some(format!(
                    "`openssl {openssl} -inform der -in {0} -out {0}.pem` writes one that is: name that file",
                    path.display()
                ));
            }
            Self::Marked(path) => {
                return Some(format!(
                    r"`sed -i '1s/^\xEF\xBB\xBF//' {}` removes it",
                    path.display()
                ));
            }
            Self::NoKeySetting => "`config set tls.key FILE`",
            Self::NoCertificate { .. } => {
                "`config set tls.certificate FILE` names the PEM file with the certificate and its intermediates"
            }
            Self::NoKey { .. } | Self::Key(_) => {
                "`config set tls.key FILE` names the PEM file with the private key"
            }
            Self::Locked(_) => {
                "`openssl pkey -in FILE -out NEW` removes the passphrase; keep the new file private (mode 0600)"
            }
            Self::Open(path) => return Some(format!("`chmod 600 {}`", path.display())),
            Self::Mismatch { .. } => {
                "name the two files that belong together with `config set tls.certificate FILE` and `config set tls.key FILE`"
            }
            Self::Damaged { .. } => "ask the issuer of the certificate for the file again",
            Self::Expired { .. } => {
                "renew it where it comes from; `config set tls.certificate own` does with our own CA until then"
            }
            Self::Early { .. } => "see that the clock of this machine is right",
            Self::Names { .. } => {
                "have one issued for these names (as subject alternative names), or `config set server.public_url URL` to the name it has"
            }
            Self::Order { .. } => {
                "put the certificate itself first, then each issuer after the one it signed, as in certbot's `fullchain.pem`"
            }
            Self::LostKey { certificate, .. } => {
                return Some(format!(
                    "restore the key from a backup; or remove `{}`, and the next start creates a new CA, which others have to be given again",
                    certificate.display()
                ));
            }
            Self::File(error) => return error.hint(),
            Self::Make(_) | Self::Check(_) => return None,
        };
        Some(hint.to_owned())
    }
}
