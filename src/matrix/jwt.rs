//! The key with which this program logs any user in without a password, and its tokens (RFC 7519,
//! ES256). The private key stays in a file of ours; Synapse's settings hold only the public one.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};

use super::Error;
use crate::{clock, data_dir::DataDir, files, secret::Secret};

/// Who signs: `jwt_config.issuer` in Synapse's settings.
pub(crate) const ISSUER: &str = "resource-matrix-synapse";
/// How long a token is good for, in seconds; it is used at once.
const LIFETIME: i64 = 60;
/// `SubjectPublicKeyInfo` of a P-256 key up to the point itself (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    /// The key in `secrets/session.key` (PKCS#8, PEM, 0600), if there is one.
    pub(crate) fn read(data: &DataDir) -> Result<Option<Self>, Error> {
        let path = data.secret("session.key");
        match Secret::read(&path) {
            Ok(pem) => match Self::parse(pem.expose()) {
                Some(key) => Ok(Some(key)),
                None => Err(Error::Key(path.display().to_string())),
            },
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, or a new one that is then there.
    pub(crate) fn read_or_generate(data: &DataDir) -> Result<Self, Error> {
        if let Some(key) = Self::read(data)? {
            return Ok(key);
        }
        let path = data.secret("session.key");
        let unusable = || Error::Key(path.display().to_string());
        let rng = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng)
            .map_err(|_| unusable())?;
        let pem = pem("PRIVATE KEY", der.as_ref());
        files::private_folder(&data.secrets())?;
        Secret::new(pem.as_str()).write(&path)?;
        Self::parse(&pem).ok_or_else(unusable)
    }

    fn parse(pem: &str) -> Option<Self> {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = BASE64_STANDARD.decode(body.trim()).ok()?;
        let rng = SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &rng).ok().map(Self)
    }

    /// The public key as Synapse's `jwt_config.secret` takes it.
    pub(crate) fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &[&SPKI, self.0.public_key().as_ref()].concat())
    }

    /// A token that logs the user of that localpart in.
    pub(crate) fn token(&self, localpart: &str, server_name: &str) -> Result<Secret, Error> {
        let now = clock::now().as_second();
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(serde_json::json!({ "alg": "ES256", "typ": "JWT" }));
        let claims = part(serde_json::json!({
            "sub": localpart, "iss": ISSUER, "aud": [server_name], "iat": now, "exp": now + LIFETIME,
        }));
        let signed = format!("{head}.{claims}");
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| Error::Key("session.key".into()))?;
        Ok(Secret::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for at in (0..body.len()).step_by(64) {
        text.push_str(&body[at..body.len().min(at + 64)]);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn the_key_is_made_once_and_its_token_verifies() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let key = Key::read_or_generate(&data).unwrap();
        let again = Key::read_or_generate(&data).unwrap();
        assert_eq!(key.public_pem(), again.public_pem());
        let token = again.token("op", "x.org").unwrap();
        let (signed, signature) = token.expose().rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.0.public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .unwrap();
    }
}
