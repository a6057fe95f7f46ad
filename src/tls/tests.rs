use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use jiff::Span;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::*;
use crate::{
    clock,
    config::sources::environment::Environment,
    data_dir::DataDir,
    error::Explain as _,
    files::{PRIVATE, PUBLIC, write_atomically},
};

fn config(folder: &Path, flags: &[&str]) -> Config {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Config::load(DataDir::new(folder.to_owned()), &flags, &Environment::default()).unwrap()
}

fn own(folder: &Path, more: &[&str]) -> Config {
    config(folder, &[&["tls.certificate=own", "server.name=example.org:8448"], more].concat())
}

fn in_days(days: i64) -> Timestamp {
    clock::now() + Span::new().hours(days * 24)
}

#[test]
fn our_own_certificate_is_made_once_and_renewed_before_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let config = own(folder.path(), &[]);
    let now = clock::now();
    assert!(ensure(&config, now).unwrap().unwrap().made);
    let pair = pair(&config).unwrap().unwrap();
    let (first, old) = (fs::read(&pair.certificate).unwrap(), fs::read(config.data.ca()).unwrap());
    for secret in ["ca.key", "tls.key"] {
        let mode = fs::metadata(config.data.secret(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE, "{secret}");
    }
    let again = ensure(&config, now).unwrap().unwrap();
    assert!(!again.made && again.warnings.is_empty(), "{again:?}");
    let renewed = ensure(&config, in_days(61)).unwrap().unwrap();
    assert!(renewed.made && renewed.warnings.is_empty(), "{renewed:?}");
    assert_ne!(fs::read(&pair.certificate).unwrap(), first);
    assert_eq!(fs::read(config.data.ca()).unwrap(), old, "the CA stays");
}

#[test]
fn our_own_certificate_is_for_all_names_we_have() {
    let folder = tempfile::tempdir().unwrap();
    ensure(&own(folder.path(), &[]), clock::now()).unwrap();
    let config = own(folder.path(), &["server.public_url=https://matrix.example.org/"]);
    assert!(ensure(&config, clock::now()).unwrap().unwrap().made, "another name, another one");
    let chain = chain::read(&pair(&config).unwrap().unwrap().certificate).unwrap();
    let names = ["example.org", "matrix.example.org", "localhost", "127.0.0.1", "::1"];
    assert_eq!(chain::Facts::of(&chain[0]).unwrap().names, names);
    let roots = roots::all(&config).unwrap();
    for name in names {
        roots::verify(&chain, name, &roots, clock::now()).unwrap();
    }
    let refusal = roots::verify(&chain, "example.com", &roots, clock::now()).unwrap_err();
    assert_eq!(refusal, "it is for another name");
}

#[test]
fn a_certificate_that_is_not_pem_is_told_how_it_becomes_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cert.der");
    write_atomically(&path, b"\x30\x82\x03\xff", PRIVATE).unwrap();
    for (error, openssl) in
        [(chain::read(&path).unwrap_err(), "x509"), (chain::read_key(&path).unwrap_err(), "pkey")]
    {
        assert!(error.to_string().ends_with("cert.der` is not in PEM format"), "{error}");
        assert!(error.hint().unwrap().starts_with(&format!("`openssl {openssl} -inform der")));
    }
}

#[test]
fn a_ca_without_its_key_is_not_made_again_behind_anybodys_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = own(folder.path(), &[]);
    ensure(&config, clock::now()).unwrap();
    fs::remove_file(config.data.secret("ca.key")).unwrap();
    let error = ensure(&config, clock::now()).unwrap_err();
    assert!(matches!(error, Error::LostKey { .. }), "{error}");
    assert!(error.hint().unwrap().starts_with("restore the key"));
}

/// A CA of somebody, one below it, and what that signed, as an operator would have them.
struct Given {
    folder: tempfile::TempDir,
    root: String,
    middle: String,
    leaf: String,
    key: String,
}

impl Given {
    fn new(days: i64) -> Self {
        let named = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let (root_key, middle_key, key) = (
            KeyPair::generate().unwrap(),
            KeyPair::generate().unwrap(),
            KeyPair::generate().unwrap(),
        );
        let (root_params, middle_params) = (named("the root"), named("the one between"));
        let root = root_params.self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(root_params, root_key);
        let middle = middle_params.signed_by(&middle_key, &root_issuer).unwrap();
        let middle_issuer = Issuer::new(middle_params, middle_key);
        let mut leaf = CertificateParams::new(vec!["example.org".to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, "example.org");
        own::span(&mut leaf, clock::now(), days);
        let leaf = leaf.signed_by(&key, &middle_issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let all = Self {
            root: root.pem(),
            middle: middle.pem(),
            leaf: leaf.pem(),
            key: key.serialize_pem(),
            folder,
        };
        all.put("key.pem", &all.key, PRIVATE);
        all.put("root.pem", &all.root, PUBLIC);
        all
    }

    fn put(&self, name: &str, text: &str, mode: u32) {
        write_atomically(&self.folder.path().join(name), text.as_bytes(), mode).unwrap();
    }

    /// What is said of a file with these, one after the other.
    fn check(&self, certificates: &[&str], more: &[&str]) -> Result<Vec<String>, Error> {
        self.put("chain.pem", &certificates.concat(), PUBLIC);
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let flags = [
            format!("tls.certificate={}", path("chain.pem")),
            format!("tls.key={}", path("key.pem")),
            format!("synapse.federation_custom_ca_list={}", path("root.pem")),
            "server.name=example.org".to_owned(),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.to_vec()).collect();
        let config = config(self.folder.path(), &flags);
        Ok(ensure(&config, clock::now())?.unwrap().warnings)
    }

    fn refusal(&self, certificates: &[&str], more: &[&str]) -> String {
        let error = self.check(certificates, more).unwrap_err();
        error.hint().unwrap();
        error.to_string().replace(&*self.folder.path().to_string_lossy(), "F")
    }
}

#[test]
fn a_good_certificate_needs_no_word() {
    let it = Given::new(90);
    assert_eq!(it.check(&[&it.leaf, &it.middle], &[]).unwrap(), Vec::<String>::new());
    assert_eq!(it.check(&[&it.leaf, &it.middle, &it.root], &[]).unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_doubtful_is_said_and_what_cannot_work_is_refused() {
    let it = Given::new(90);
    let alone = it.check(&[&it.leaf], &[]).unwrap();
    assert!(alone[0].contains("it is not signed by a CA that is trusted here"), "{alone:?}");
    let other = ["server.public_url=https://chat.example.org"];
    let half = it.check(&[&it.leaf, &it.middle], &other).unwrap();
    assert!(half[0].contains("is for `example.org`, not for `chat.example.org`"), "{half:?}");
    let soon = Given::new(9);
    let soon = soon.check(&[&soon.leaf, &soon.middle], &[]).unwrap();
    assert!(soon[0].contains(" expires in "), "{soon:?}");

    let said = [
        it.refusal(&[&it.middle, &it.leaf], &[]),
        it.refusal(&[&it.leaf, &it.root, &it.middle], &[]),
        it.refusal(&[&it.leaf, &it.middle], &["server.name=example.com"]),
        it.refusal(&[&it.key], &[]),
        it.refusal(&["hello"], &[]),
        it.refusal(&[&it.leaf.replace("MII", "MIA")], &[]),
        Given::new(-1).expired(),
    ];
    it.put("key.pem", &it.leaf, PRIVATE);
    let key = it.refusal(&[&it.leaf, &it.middle], &[]);
    it.put("key.pem", &it.key, PUBLIC);
    let open = it.refusal(&[&it.leaf, &it.middle], &[]);
    insta::assert_snapshot!([&said[..], &[key, open]].concat().join("\n"), @r"
    in `F/chain.pem` the certificate of `CN=the one between` is not followed by that of its issuer, `CN=the root`
    in `F/chain.pem` the certificate of `CN=example.org` is not followed by that of its issuer, `CN=the one between`
    the certificate in `F/chain.pem` is for `example.org`, not for `example.com`
    `F/chain.pem` contains no certificate but a private key
    `F/chain.pem` contains no certificate
    certificate 1 in `F/chain.pem` is damaged
    the certificate in `F/chain.pem` expired
    `F/key.pem` contains no private key but a certificate
    `F/key.pem` is readable by every user of this machine
    ");
}

impl Given {
    fn expired(&self) -> String {
        let said = self.refusal(&[&self.leaf, &self.middle], &[]);
        said.split(" on ").next().unwrap().to_owned()
    }
}

#[test]
fn a_private_federation_believes_only_its_own_cas_and_an_open_one_the_machines_too() {
    let it = Given::new(90);
    let both = format!("{}{}", it.root, it.middle);
    it.put("cas.pem", &both, PUBLIC);
    let list =
        format!("synapse.federation_custom_ca_list={}", it.folder.path().join("cas.pem").display());
    let load =
        |mode: &str| config(it.folder.path(), &[&list, &format!("synapse.federation={mode}")]);
    let private = trusted::paths(&load("private")).unwrap();
    assert_eq!(private.len(), 2, "a file each: Synapse reads the first of a file only");
    trusted::write(&load("private")).unwrap();
    assert!(chain::read(&private[0]).is_ok_and(|one| one.len() == 1));
    let machine = rustls_native_certs::load_native_certs().certs.len();
    assert!(machine == 0 || trusted::paths(&load("open")).unwrap().len() > 2);
    trusted::write(&load("off")).unwrap();
    assert!(!private[0].exists());
}
