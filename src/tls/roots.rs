//! Whom we believe: the CAs of this machine, our own, and those the operator named for federation.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use rustls::{
    CertificateError, Error as TlsError, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{Error, chain};
use crate::config::{Config, sections::synapse::Mode};

/// The CAs of this machine, our own where we have one, and the operator's.
pub(crate) fn all(config: &Config) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let own = config.data.ca();
    let own = own.exists().then_some(own);
    for file in own.iter().chain(&config.synapse.federation_custom_ca_list) {
        roots.add_parsable_certificates(chain::read(file)?);
    }
    Ok(roots)
}

/// Those that our Synapse believes of other servers.
pub(crate) fn of_federation(config: &Config) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let given = &config.synapse.federation_custom_ca_list;
    if given.is_empty() || config.synapse.federation != Mode::Private {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for file in given {
        roots.add_parsable_certificates(chain::read(file)?);
    }
    Ok(roots)
}

/// Our own CA, and the file that others need of it; none where there is none.
pub(crate) fn own(config: &Config) -> Result<Option<(PathBuf, RootCertStore)>, Error> {
    let file = config.data.ca();
    if !file.exists() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain::read(&file)?);
    Ok(Some((file, roots)))
}

/// Whether the first certificate is for that name and leads to one of these CAs; else why not.
pub(crate) fn verify(
    chain: &[CertificateDer<'_>],
    name: &str,
    roots: &RootCertStore,
    now: Timestamp,
) -> Result<(), String> {
    let (first, others) = chain.split_first().ok_or("it is empty")?;
    if roots.is_empty() {
        return Err("no CA is known here".to_owned());
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), provider)
        .build()
        .map_err(|error| error.to_string())?;
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let since = std::time::Duration::from_secs(now.as_second().unsigned_abs());
    let at = UnixTime::since_unix_epoch(since);
    verifier.verify_server_cert(first, others, &name, &[], at).map(drop).map_err(said)
}

/// Why a certificate is not believed, in a few words.
fn said(error: TlsError) -> String {
    let TlsError::InvalidCertificate(error) = error else { return error.to_string() };
    match error {
        CertificateError::UnknownIssuer => {
            "it is not signed by a CA that is trusted here".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        other => other.to_string(),
    }
}
