//! A certificate and those that vouch for it: read from PEM, and what each says of itself.

use std::path::Path;

use jiff::Timestamp;
use rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::ParsedCertificate,
};
use x509_parser::{extensions::GeneralName, prelude::parse_x509_certificate};

use super::Error;
use crate::files;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// Subject alternative names; the common name counts for nobody any more (RFC 9525).
    pub(crate) names: Vec<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Facts {
    /// None if it is damaged.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, parsed) = parse_x509_certificate(certificate).ok()?;
        let alternative = parsed.subject_alternative_name().ok().flatten();
        let names = alternative.iter().flat_map(|extension| &extension.value.general_names);
        let names = names.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        });
        Some(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: names.collect(),
            not_before: Timestamp::from_second(parsed.validity().not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()?,
        })
    }

    /// Whole days until it expires; negative when it has.
    pub(crate) fn days_left(&self, now: Timestamp) -> i64 {
        (self.not_after.as_second() - now.as_second()).div_euclid(86_400)
    }

    /// The day it expires on: `2027-02-19`.
    pub(crate) fn last_day(&self) -> String {
        self.not_after.strftime("%Y-%m-%d").to_string()
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from));
    address.ok().map(|address| address.to_string())
}

/// Whether it is for that host name or address, by the rules that clients keep to.
pub(crate) fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(name) = ServerName::try_from(name) else { return false };
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

/// All certificates of a PEM file, in its order: at least one.
pub(crate) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = pem(path, "x509")?;
    let mut chain = Vec::new();
    for (at, certificate) in CertificateDer::pem_slice_iter(text.as_bytes()).enumerate() {
        let damaged = || Error::Damaged { path: path.to_owned(), number: at + 1 };
        let certificate = certificate.map_err(|_| damaged())?;
        Facts::of(&certificate).ok_or_else(damaged)?;
        chain.push(certificate);
    }
    if chain.is_empty() {
        return Err(Error::NoCertificate { path: path.to_owned(), found: content(&text) });
    }
    Ok(chain)
}

/// The private key of a PEM file.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = pem(path, "pkey")?;
    if text.contains("ENCRYPTED") {
        return Err(Error::Locked(path.to_owned()));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| Error::NoKey { path: path.to_owned(), found: content(&text) })
}

/// The text of a PEM file; `openssl` names what makes one of DER.
fn pem(path: &Path, openssl: &'static str) -> Result<String, Error> {
    let text = files::read_as_it_is(path).map_err(|error| match error {
        files::Error::NotText(path) => Error::Der { path, openssl },
        error => error.into(),
    })?;
    if files::is_marked(&text) { Err(Error::Marked(path.to_owned())) } else { Ok(text) }
}

/// What a file has in the place of what was looked for.
fn content(text: &str) -> Option<&'static str> {
    let has = |label: &str| text.contains(&format!("{label}-----"));
    if has("PRIVATE KEY") {
        Some("a private key")
    } else if has("CERTIFICATE REQUEST") {
        Some("a request for a certificate")
    } else if has("CERTIFICATE") {
        Some("a certificate")
    } else if has("PUBLIC KEY") {
        Some("a public key")
    } else {
        None
    }
}
