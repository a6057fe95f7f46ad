//! Our own CA and the certificate it signs: made once, its key kept to ourselves, renewed long before
//! it expires. The keys stay the same, so that only one file changes, whole, when it is renewed.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};

use super::{Error, Pair, given, names};
use crate::{config::Config, data_dir::DataDir, files, secret::Secret};

/// How long the CA is good for. Others are given it by hand, so that this is rarely enough.
const CA_YEARS: i64 = 10;
const DAYS: i64 = 90;
/// A new one is made when fewer days are left than these.
const RENEWED_AT: i64 = 30;

fn ca_key(data: &DataDir) -> PathBuf {
    data.secret("ca.key")
}

/// Where our own certificate and its key are.
pub(super) fn pair(data: &DataDir) -> Pair {
    Pair { certificate: data.tls().join("own.pem"), key: data.secret("tls.key") }
}

/// Makes what is missing, and the certificate anew where its names are others or its time is nearly
/// over; true if it made one.
pub(super) fn ensure(config: &Config, now: Timestamp) -> Result<bool, Error> {
    let data = &config.data;
    files::private_folder(&data.tls())?;
    files::private_folder(&data.secrets())?;
    let pair = pair(data);
    let wanted = all_names(config);
    let issuer = issuer(data, &config.server.name.to_string(), now)?;
    if is_current(config, &pair, &wanted, now) {
        return Ok(false);
    }
    let key = key(&pair.key)?;
    let mut params = CertificateParams::new(wanted)?;
    params.distinguished_name.push(DnType::CommonName, names::of_server(config));
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    // The key stays the same, and a number of its own is what tells one certificate from the next.
    params.serial_number = Some(SerialNumber::from_slice(&serial()));
    span(&mut params, now, DAYS);
    let leaf = params.signed_by(&key, &issuer)?;
    let chain = format!("{}{}", leaf.pem(), files::read(&data.ca())?);
    files::write_atomically(&pair.certificate, chain.as_bytes(), files::PUBLIC)?;
    Ok(true)
}

/// What it is for: the names that others use, and this machine.
fn all_names(config: &Config) -> Vec<String> {
    let mut all = names::wanted(config);
    for local in ["localhost", "127.0.0.1", "::1"] {
        if all.iter().all(|name| name != local) {
            all.push(local.to_owned());
        }
    }
    all
}

/// Whether it is good for a while, for these names, and signed by our CA.
fn is_current(config: &Config, pair: &Pair, wanted: &[String], now: Timestamp) -> bool {
    given::check(config, pair, now).is_ok_and(|checked| {
        checked.warnings.is_empty()
            && checked.facts.names == wanted
            && checked.facts.days_left(now) >= RENEWED_AT
    })
}

/// The CA, made if there is none.
fn issuer(data: &DataDir, server: &str, now: Timestamp) -> Result<Issuer<'static, KeyPair>, Error> {
    let (certificate, key_file) = (data.ca(), ca_key(data));
    if certificate.exists() {
        if !key_file.exists() {
            return Err(Error::LostKey { certificate, key: key_file });
        }
        let key = key(&key_file)?;
        return Ok(Issuer::from_ca_cert_pem(&files::read(&certificate)?, key)?);
    }
    let key = key(&key_file)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("Homeserver {server}"));
    params.distinguished_name.push(DnType::OrganizationName, "resource-matrix-synapse");
    // It may sign certificates of servers, no CAs.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    span(&mut params, now, CA_YEARS * 365);
    let made = params.self_signed(&key)?;
    files::write_atomically(&certificate, made.pem().as_bytes(), files::PUBLIC)?;
    Ok(Issuer::new(params, key))
}

/// The key in that file, made if there is none.
fn key(file: &Path) -> Result<KeyPair, Error> {
    if let Some(text) = files::read_if_exists(file)? {
        return KeyPair::from_pem(&text).map_err(|_| Error::Key(file.to_owned()));
    }
    let key = KeyPair::generate()?;
    Secret::new(key.serialize_pem()).write(file)?;
    Ok(key)
}

/// Positive, and never the same twice (RFC 5280, 4.1.2.2).
fn serial() -> [u8; 16] {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    bytes
}

/// From yesterday on, for clocks that are late.
pub(super) fn span(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let today: Date = now.to_zoned(TimeZone::UTC).date();
    let day = |date: Date| {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    params.not_before = day(today.saturating_sub(1.day()));
    params.not_after = day(today.saturating_add(days.days()));
}
