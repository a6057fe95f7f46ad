//! Keys as an issuer publishes them ([RFC 7517]), and what they have signed. Pure.
//!
//! [RFC 7517]: https://www.rfc-editor.org/rfc/rfc7517

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use super::Refused;

/// One that is taken. Others that are published with it are left out.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// A key as it is published.
#[derive(Deserialize)]
struct Published {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

fn decoded(text: Option<&str>) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text?.trim_end_matches('=').as_bytes()).ok()
}

/// A number without the zeros before it.
fn number(text: Option<&str>) -> Option<Vec<u8>> {
    let bytes = decoded(text)?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[first..].to_vec())
}

impl Published {
    fn key(self) -> Option<Key> {
        let signs = self.purpose.as_deref().is_none_or(|it| it == "sig")
            && self.key_ops.as_ref().is_none_or(|it| it.iter().any(|it| it == "verify"));
        let part = |text: &Option<String>, length| {
            decoded(text.as_deref()).filter(|it| it.len() == length)
        };
        let public = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                Public::Rsa { n: number(self.n.as_deref())?, e: number(self.e.as_deref())? }
            }
            ("EC", Some("P-256")) => {
                Public::P256([vec![4], part(&self.x, 32)?, part(&self.y, 32)?].concat())
            }
            ("OKP", Some("Ed25519")) => Public::Ed25519(part(&self.x, 32)?),
            _ => return None,
        };
        let key = Key { id: self.kid, public };
        (signs && self.alg.as_deref().is_none_or(|it| key.is_of(it))).then_some(key)
    }
}

/// The keys of a set that are taken.
pub(super) fn all(text: &[u8]) -> Result<Vec<Key>, serde_json::Error> {
    let set: Set = serde_json::from_slice(text)?;
    let keys = set.keys.into_iter();
    Ok(keys.filter_map(|key| serde_json::from_value::<Published>(key).ok()?.key()).collect())
}

impl Key {
    pub(super) fn is(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id)
    }

    /// Whether it signs with this algorithm, and with no other.
    fn is_of(&self, algorithm: &str) -> bool {
        match self.public {
            Public::Rsa { .. } => algorithm == "RS256",
            Public::P256(_) => algorithm == "ES256",
            // The latter by RFC 9864.
            Public::Ed25519(_) => algorithm == "EdDSA" || algorithm == "Ed25519",
        }
    }

    fn has_signed(&self, text: &[u8], with: &[u8]) -> bool {
        let verified = match &self.public {
            Public::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                text,
                with,
            ),
            Public::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(text, with)
            }
            Public::Ed25519(point) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(text, with)
            }
        };
        verified.is_ok()
    }
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// A token of which nothing is believed yet.
pub(super) struct Signed<'a> {
    head: Head,
    /// What the signature is of.
    text: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Signed<'a> {
    pub(super) fn of(token: &'a str) -> Result<Self, Refused> {
        let part = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Refused::Form);
        let (text, signature) = token.rsplit_once('.').ok_or(Refused::Form)?;
        let (head, claims) = text.split_once('.').ok_or(Refused::Form)?;
        let head: Head = serde_json::from_slice(&part(head)?).map_err(|_| Refused::Form)?;
        // What must be understood is not.
        if head.crit.is_some() {
            return Err(Refused::Form);
        }
        Ok(Self { head, text, claims: part(claims)?, signature: part(signature)? })
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.head.kid.as_deref()
    }

    /// What it says, where one of these keys has signed it: the one that it names, or any.
    pub(super) fn said(&self, keys: &[Key]) -> Result<&[u8], Refused> {
        let named = |key: &&Key| self.key_id().is_none_or(|id| key.is(id));
        let mut keys = keys.iter().filter(named).peekable();
        keys.peek().ok_or(Refused::UnknownKey)?;
        let mut fitting = keys.filter(|key| key.is_of(&self.head.alg)).peekable();
        fitting.peek().ok_or(Refused::Algorithm)?;
        let is_signed = fitting.any(|key| key.has_signed(self.text.as_bytes(), &self.signature));
        if is_signed { Ok(&self.claims) } else { Err(Refused::Signature) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ring::{
        rand::SystemRandom,
        signature::{
            ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
            RSA_PKCS1_SHA256, RsaKeyPair,
        },
    };
    use serde_json::json;

    use super::*;
    use crate::process;

    /// A key that signs.
    pub(in crate::relay::tokens) enum Pair {
        Rsa(RsaKeyPair),
        P256(EcdsaKeyPair),
        Ed25519(Ed25519KeyPair),
    }

    impl Pair {
        pub(in crate::relay::tokens) fn ed25519() -> Self {
            let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
            Self::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
        }

        fn p256() -> Self {
            let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
            let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
            Self::P256(EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap())
        }

        /// ring makes none.
        fn rsa() -> Self {
            let words = ["genpkey", "-algorithm", "RSA", "-outform", "DER"];
            let made = process::command("openssl").into_std().args(words).output().unwrap();
            let pair = RsaKeyPair::from_der(&made.stdout);
            Self::Rsa(pair.or_else(|_| RsaKeyPair::from_pkcs8(&made.stdout)).unwrap())
        }

        pub(in crate::relay::tokens) fn published(&self, id: Option<&str>) -> Value {
            let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
            let mut key = match self {
                Self::Rsa(pair) => {
                    let public: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                    json!({ "kty": "RSA", "n": text(&public.n), "e": text(&public.e), "alg": "RS256" })
                }
                Self::P256(pair) => {
                    let point = pair.public_key().as_ref();
                    json!({ "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]) })
                }
                Self::Ed25519(pair) => {
                    json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
                }
            };
            if let Some(id) = id {
                key["kid"] = id.into();
            }
            key
        }

        pub(in crate::relay::tokens) fn signed(&self, head: &Value, claims: &Value) -> String {
            let part = |it: &Value| BASE64URL_NOPAD.encode(it.to_string().as_bytes());
            let text = format!("{}.{}", part(head), part(claims));
            let random = SystemRandom::new();
            let signature = match self {
                Self::Rsa(pair) => {
                    let mut signature = vec![0; pair.public().modulus_len()];
                    pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
                    signature
                }
                Self::P256(pair) => pair.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec(),
                Self::Ed25519(pair) => pair.sign(text.as_bytes()).as_ref().to_vec(),
            };
            format!("{text}.{}", BASE64URL_NOPAD.encode(&signature))
        }
    }

    fn set(keys: &[Value]) -> Vec<Key> {
        all(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn said(token: &str, keys: &[Key]) -> Result<Value, Refused> {
        let signed = Signed::of(token)?;
        Ok(serde_json::from_slice(signed.said(keys)?).unwrap())
    }

    #[test]
    fn what_a_key_has_signed_is_believed_by_its_own_algorithm_alone() {
        let all = [("RS256", Pair::rsa()), ("ES256", Pair::p256()), ("EdDSA", Pair::ed25519())];
        let claims = json!({ "sub": "ann" });
        for (algorithm, pair) in &all {
            let keys = set(&[pair.published(Some("one"))]);
            let token = pair.signed(&json!({ "alg": algorithm, "kid": "one" }), &claims);
            assert_eq!(said(&token, &keys), Ok(claims.clone()), "{algorithm}");
            let unnamed = pair.signed(&json!({ "alg": algorithm }), &claims);
            assert_eq!(said(&unnamed, &keys), Ok(claims.clone()));
            let other = pair.signed(&json!({ "alg": algorithm, "kid": "two" }), &claims);
            assert_eq!(said(&other, &keys), Err(Refused::UnknownKey));
            for wrong in ["none", "HS256", "RS512", "PS256", "ES384"] {
                let token = pair.signed(&json!({ "alg": wrong, "kid": "one" }), &claims);
                assert_eq!(said(&token, &keys), Err(Refused::Algorithm), "{wrong}");
            }
            let (text, _) = token.rsplit_once('.').unwrap();
            assert_eq!(said(&format!("{text}."), &keys), Err(Refused::Signature));
            let (head, rest) = token.split_once('.').unwrap();
            let (_, signature) = rest.split_once('.').unwrap();
            let forged = BASE64URL_NOPAD.encode(br#"{"sub":"bob"}"#);
            let forged = format!("{head}.{forged}.{signature}");
            assert_eq!(said(&forged, &keys), Err(Refused::Signature));
        }
        // Signed by another key of that kind.
        let keys = set(&[Pair::p256().published(Some("one"))]);
        let token = all[1].1.signed(&json!({ "alg": "ES256", "kid": "one" }), &claims);
        assert_eq!(said(&token, &keys), Err(Refused::Signature));
    }

    #[test]
    fn what_is_no_token_is_said_so() {
        let pair = Pair::ed25519();
        let keys = set(&[pair.published(None)]);
        let critical = pair.signed(&json!({ "alg": "EdDSA", "crit": ["b64"] }), &json!({}));
        for token in ["", "a", "a.b", "a.b.c", "eyJ9.e30.e30", "....", &critical] {
            assert_eq!(said(token, &keys), Err(Refused::Form), "{token}");
        }
    }

    #[test]
    fn keys_that_do_not_sign_or_are_of_another_kind_are_left_out() {
        let mut encrypts = Pair::p256().published(Some("a"));
        encrypts["use"] = "enc".into();
        let mut other = Pair::rsa().published(Some("b"));
        other["alg"] = "PS256".into();
        let mut short = Pair::ed25519().published(Some("c"));
        short["x"] = "AAAA".into();
        let secret = json!({ "kty": "oct", "kid": "d", "k": "c2VjcmV0" });
        let good = Pair::ed25519().published(Some("e"));
        let keys = set(&[encrypts, other, short, secret, json!(7), good]);
        assert!(keys.len() == 1 && keys[0].is("e"), "{keys:?}");
        assert!(all(b"<html>").is_err() && all(b"{}").is_err());
    }
}
