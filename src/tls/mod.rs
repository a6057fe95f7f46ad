//! Certificates: the operator's, checked before anything uses them, or our own, signed by a CA that we
//! make. Who serves with them (the proxy) asks here for the two files.

pub(crate) mod chain;
mod error;
mod given;
mod names;
mod own;
pub(crate) mod roots;
pub(crate) mod trusted;

use std::path::PathBuf;

use jiff::Timestamp;

pub(crate) use error::Error;

use crate::config::{Config, sections::tls::Certificate};

/// The two files a server needs: PEM, the certificate with its intermediates, and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What [`ensure`] found or made.
#[derive(Debug)]
pub(crate) struct Ready {
    /// A certificate of our own was made or renewed.
    pub(crate) made: bool,
    pub(crate) warnings: Vec<String>,
}

/// The files that the settings name; none where nothing is encrypted. Looks at nothing and changes
/// nothing: [`ensure`] comes before they are used.
pub(crate) fn pair(config: &Config) -> Result<Option<Pair>, Error> {
    Ok(match &config.tls.certificate {
        None => None,
        Some(Certificate::Own) => Some(own::pair(&config.data)),
        Some(Certificate::File(certificate)) => {
            let key = config.tls.key.clone().ok_or(Error::NoKeySetting)?;
            Some(Pair { certificate: certificate.clone(), key })
        }
    })
}

/// Checks the operator's certificate, or makes and renews our own; none where nothing is encrypted.
pub(crate) fn ensure(config: &Config, now: Timestamp) -> Result<Option<Ready>, Error> {
    let Some(pair) = pair(config)? else { return Ok(None) };
    let is_own = config.tls.certificate == Some(Certificate::Own);
    let made = is_own && own::ensure(config, now)?;
    let given::Checked { warnings, .. } = given::check(config, &pair, now)?;
    Ok(Some(Ready { made, warnings }))
}

/// The same for a look that changes nothing: our own is made when it is needed.
pub(crate) fn check(config: &Config, now: Timestamp) -> Result<Vec<String>, Error> {
    match pair(config)? {
        Some(pair) if config.tls.certificate != Some(Certificate::Own) => {
            Ok(given::check(config, &pair, now)?.warnings)
        }
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests;
