//! The operator's certificate, looked at before anything uses it: better a start that is refused than
//! clients and servers that turn away.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use jiff::Timestamp;
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};

use super::{
    Error, Pair,
    chain::{self, Facts},
    names, roots,
};
use crate::{config::Config, files};

/// Fewer days than these and it is time to say so.
const SOON: i64 = 14;

/// What is good, and what to know about it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) facts: Facts,
    pub(crate) warnings: Vec<String>,
}

/// Looks at both files; changes nothing.
pub(crate) fn check(config: &Config, pair: &Pair, now: Timestamp) -> Result<Checked, Error> {
    let path = &pair.certificate;
    let shown = path.display();
    let chain = chain::read(path)?;
    // Before the key: where the file begins with the wrong one, that is what is to be said.
    in_order(&chain, path)?;
    let key = chain::read_key(&pair.key)?;
    is_private(&pair.key)?;
    matches(&chain, key, pair)?;
    let facts = all_valid(&chain, path, now)?;
    let wanted = names::wanted(config);
    let (covered, missing): (Vec<String>, Vec<String>) =
        wanted.into_iter().partition(|name| chain::is_for(&chain[0], name));
    let Some(name) = covered.first() else {
        return Err(Error::Names { path: path.clone(), has: facts.names, wanted: missing });
    };
    let mut warnings = Vec::new();
    if let Some(other) = missing.first() {
        warnings.push(format!(
            "the certificate in `{shown}` is for `{name}`, not for `{other}`: clients connecting there will reject it"
        ));
    }
    let days = facts.days_left(now);
    if days < SOON {
        let last = facts.last_day();
        warnings.push(format!("the certificate in `{shown}` expires in {days} days, on {last}"));
    }
    let roots = roots::all(config)?;
    if let Err(why) = roots::verify(&chain, name, &roots, now) {
        warnings.push(format!(
            "this machine does not trust the certificate in `{shown}` ({why}): the intermediate certificates may be missing there, or, where the CA is your own, its file in `synapse.federation_custom_ca_list`"
        ));
    }
    Ok(Checked { facts, warnings })
}

/// Others of the same group may read it, as where a group exists for that.
fn is_private(key: &Path) -> Result<(), Error> {
    let mode = fs::metadata(key).map_err(files::Error::io("read", key))?.mode();
    if mode & 0o004 == 0 { Ok(()) } else { Err(Error::Open(key.to_owned())) }
}

fn matches(
    chain: &[CertificateDer<'static>],
    key: PrivateKeyDer<'static>,
    pair: &Pair,
) -> Result<(), Error> {
    let key = ring::default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|_| Error::Key(pair.key.clone()))?;
    CertifiedKey::new(chain.to_vec(), key).keys_match().map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            Error::Mismatch { certificate: pair.certificate.clone(), key: pair.key.clone() }
        }
        error => Error::Check(error),
    })
}

/// None of them is out of date; what the first says of itself, with the day on which the first of all
/// expires.
fn all_valid(chain: &[CertificateDer<'_>], path: &Path, now: Timestamp) -> Result<Facts, Error> {
    let mut first: Option<Facts> = None;
    for (at, certificate) in chain.iter().enumerate() {
        let damaged = || Error::Damaged { path: path.to_owned(), number: at + 1 };
        let facts = Facts::of(certificate).ok_or_else(damaged)?;
        if facts.not_after < now {
            return Err(Error::Expired { path: path.to_owned(), when: facts.last_day() });
        }
        if facts.not_before > now {
            let when = facts.not_before.to_string();
            return Err(Error::Early { path: path.to_owned(), when });
        }
        match &mut first {
            Some(leaf) => leaf.not_after = leaf.not_after.min(facts.not_after),
            None => first = Some(facts),
        }
    }
    first.ok_or_else(|| Error::NoCertificate { path: path.to_owned(), found: None })
}

/// Each is followed by its issuer, as far as they go.
fn in_order(chain: &[CertificateDer<'_>], path: &Path) -> Result<(), Error> {
    for (one, next) in chain.iter().zip(&chain[1..]) {
        let (Some(one), Some(next)) = (Facts::of(one), Facts::of(next)) else { continue };
        if one.issuer != next.subject {
            let (subject, issuer) = (one.subject, one.issuer);
            return Err(Error::Order { path: path.to_owned(), subject, issuer });
        }
    }
    Ok(())
}
