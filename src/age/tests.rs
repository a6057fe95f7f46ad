use std::io::{Read as _, Write as _};

use super::*;
use crate::{files, secret::Secret};

fn sealed(content: &[u8], to: &To) -> Vec<u8> {
    let mut sealer = Sealer::new(Vec::new(), to).unwrap();
    // In pieces of another length than those that are sealed.
    content.chunks(10_007).for_each(|part| sealer.write_all(part).unwrap());
    sealer.finish().unwrap()
}

fn opened(sealed: &[u8], keys: &Keys) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let opener = Opener::new(sealed, keys).unwrap().map_err(|error| error.to_string())?;
    let read = { opener }.read_to_end(&mut content);
    read.map(|_| content).map_err(|error| error.to_string())
}

fn with(identity: &Identity) -> Keys {
    Keys { identities: vec![identity.clone()], passphrase: None }
}

fn knowing(passphrase: &str) -> Keys {
    Keys { identities: Vec::new(), passphrase: Some(Passphrase::new(Secret::new(passphrase))) }
}

#[test]
fn what_was_sealed_is_opened_by_each_of_those_it_is_for() {
    let (one, two, other) = (Identity::generate(), Identity::generate(), Identity::generate());
    let to = To::Recipients(vec![one.recipient(), two.recipient()]);
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000] {
        let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let sealed = sealed(&content, &to);
        assert_eq!(opened(&sealed, &with(&one)).unwrap(), content, "{length}");
        assert_eq!(opened(&sealed, &with(&two)).unwrap(), content, "{length}");
        assert_eq!(opened(&sealed, &with(&other)).unwrap_err(), "it is encrypted for other keys");
        assert_eq!(opened(&sealed, &Keys::default()).unwrap_err(), "it is encrypted for keys");
        let one = To::Recipients(vec![one.recipient()]);
        assert_eq!(sealed_size(length), size(&content, &one), "{length}");
    }
}

fn size(content: &[u8], to: &To) -> u64 {
    sealed(content, to).len() as u64
}

#[test]
fn a_passphrase_opens_what_it_sealed_and_no_other_does() {
    let sealed = sealed(b"text", &To::Passphrase(Passphrase::new(Secret::new("correct horse"))));
    assert_eq!(opened(&sealed, &knowing("correct horse")).unwrap(), b"text");
    let said = opened(&sealed, &knowing("battery staple")).unwrap_err();
    assert_eq!(said, "it is encrypted with another passphrase");
    let said = opened(&sealed, &with(&Identity::generate())).unwrap_err();
    assert_eq!(said, "it is encrypted with a passphrase");
}

#[test]
fn a_passphrase_that_would_take_all_memory_is_not_tried() {
    let text = format!(
        "age-encryption.org/v1\n-> scrypt {} 24\n{}\n--- {}\n",
        "A".repeat(22),
        "A".repeat(43),
        "A".repeat(43)
    );
    let said = opened(text.as_bytes(), &knowing("x")).unwrap_err();
    assert_eq!(said, "its passphrase takes too much work to try (2^24)");
}

#[test]
fn what_is_cut_off_altered_or_longer_than_it_was_is_not_opened() {
    let identity = Identity::generate();
    let whole = sealed(&vec![7; 140_000], &To::Recipients(vec![identity.recipient()]));
    let keys = with(&identity);
    assert!(opened(&whole, &keys).is_ok());
    for length in (0..whole.len()).step_by(997).chain([whole.len() - 1, 65_552 + 200]) {
        assert!(opened(&whole[..length], &keys).is_err(), "{length}");
    }
    for at in (0..whole.len()).step_by(997).chain(0..200) {
        let mut other = whole.clone();
        other[at] ^= 1;
        assert!(opened(&other, &keys).is_err(), "{at}");
    }
    assert!(opened(&[&whole[..], b"x"].concat(), &keys).is_err());
    assert!(opened(&[&whole[..], &whole[..]].concat(), &keys).is_err());
}

#[test]
fn keys_are_read_as_the_program_age_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.txt");
    let write = |text: &str| files::write_atomically(&path, text.as_bytes(), 0o600).unwrap();
    let identity = Identity::generate();
    let (secret, public) = (identity.text(), identity.recipient().to_string());
    assert!(secret.expose().starts_with("AGE-SECRET-KEY-1") && public.starts_with("age1"));
    write(&format!("# created: today\n# public key: {public}\n{}\n", secret.expose()));
    assert_eq!(Identity::read(&path).unwrap()[0].recipient().to_string(), public);
    write(&format!("# mine\n{public}\n"));
    assert_eq!(Recipient::read(&path).unwrap()[0].to_string(), public);
    let said = Identity::read(&path).unwrap_err().to_string();
    assert!(said.starts_with("the secret key in line 2"), "{said}");
    write("# nothing\n");
    assert!(matches!(Identity::read(&path), Err(Error::NoIdentity(_))));
    assert!(matches!(Recipient::read(&path), Err(Error::NoRecipients(_))));
    let mut typo = public.into_bytes();
    typo[10] = if typo[10] == b'q' { b'p' } else { b'q' };
    let typo = Recipient::parse(std::str::from_utf8(&typo).unwrap());
    assert!(matches!(typo, Err(Error::NoRecipient(_))));
}

/// What the `age` program made, of the text `made by age`, for that key.
#[test]
fn what_the_program_age_made_is_opened() {
    let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
    let identity = Identity::parse(KEY).unwrap();
    assert_eq!(opened(&hex(FOR_KEY), &with(&identity)).unwrap(), b"made by age");
}

const KEY: &str = "AGE-SECRET-KEY-1HN988LP0GHZTT3CW4FHN30RX9CPFXP0TSXZPPZ2Q3UHCSPEXWDWSY95JD8";
const FOR_KEY: &str = "6167652d656e6372797074696f6e2e6f72672f76310a2d3e205832353531392076316f59385838357737663456506235396b5a337a4832464e306453426979784b3032324e735a72427a670a6e6641556951434d54437775697a365049774a6c6756305743584143696c4a66507967303866537a5332490a2d2d2d20617a4e496b366a6b43414131503145555a67764d7559475249776b694c52556f615a7a574e6447316277550adac59c074f7161db8f9b835d4ce0db79533cdede3480909a6eaad332f1696ff8bb1280d8bac013e271f856";
