//! The CAs that Synapse is to believe of other servers, in the shape it reads them: it takes only the
//! first certificate of a file, and a list of its own replaces that of the machine.

use std::{collections::BTreeMap, fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use data_encoding::HEXLOWER;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use super::{Error, chain};
use crate::{
    config::{Config, sections::synapse::Mode},
    data_dir::DataDir,
    files,
};

fn folder(data: &DataDir) -> PathBuf {
    data.tls().join("trusted")
}

/// A file each, with what is to be in it; none where the machine's own list is what counts.
fn all(config: &Config) -> Result<BTreeMap<PathBuf, CertificateDer<'static>>, Error> {
    let given = &config.synapse.federation_custom_ca_list;
    if given.is_empty() || config.synapse.federation == Mode::Off {
        return Ok(BTreeMap::new());
    }
    let mut certificates = Vec::new();
    for file in given {
        certificates.extend(chain::read(file)?);
    }
    if config.synapse.federation == Mode::Open {
        certificates.extend(rustls_native_certs::load_native_certs().certs);
    }
    let folder = folder(&config.data);
    let named = |certificate: CertificateDer<'static>| {
        let hash = Sha256::digest(&certificate);
        let name = HEXLOWER.encode(&hash[..8]);
        (folder.join(format!("{name}.pem")), certificate)
    };
    Ok(certificates.into_iter().map(named).collect())
}

/// The files that [`write()`] makes.
pub(crate) fn paths(config: &Config) -> Result<Vec<PathBuf>, Error> {
    Ok(all(config)?.into_keys().collect())
}

/// Makes them, and removes those that are not wanted any more.
pub(crate) fn write(config: &Config) -> Result<(), Error> {
    let folder = folder(&config.data);
    let wanted = all(config)?;
    if !wanted.is_empty() {
        files::private_folder(&folder)?;
    }
    for (path, certificate) in &wanted {
        files::write_if_changed(path, pem(certificate).as_bytes(), files::PUBLIC)?;
    }
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        if !wanted.contains_key(&entry.path()) {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}

fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
