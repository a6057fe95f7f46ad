//! Certificates and federation without a server: what is refused, and what a check says of nothing.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use crate::common::Person;

#[test]
fn a_server_that_does_not_answer_is_told_with_what_to_do() {
    // Its own port, closed again.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said = Person::new().types(&format!("content federation-check 127.0.0.1:{port}"));
    let said = said.to_string().replace(&port.to_string(), "PORT");
    insta::assert_snapshot!(said, @r"
    well-known  good      the name has a port or is an address: neither well-known nor SRV is looked up
    address     good      `127.0.0.1` is 127.0.0.1
    connection  bad       127.0.0.1:PORT: connection refused
                          to do: something must listen there with TLS, and firewalls let it through
    back-off    doubtful  the homeserver is not installed in `~/.vrooli/resources/matrix-synapse`
                          to do: `status` shows how our server is

    federation with 127.0.0.1:PORT does not work
    [exit 1]
    ");
}

#[test]
fn what_our_synapse_would_refuse_is_called_what_it_is() {
    let person = Person::new();
    fs::create_dir_all(person.data().join("synapse")).unwrap();
    let yaml = "federation_domain_whitelist: [a.example]\nip_range_blacklist: [127.0.0.0/8]\n";
    fs::write(person.data().join("synapse/homeserver.yaml"), yaml).unwrap();
    let said = person.types("content federation-check localhost:1 --format json");
    assert_eq!(said.code, Some(1), "{said}");
    let answer: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let steps = answer["steps"].as_array().unwrap();
    let finding = |i: usize| steps[i]["finding"].as_str().unwrap();
    assert!(finding(0).contains("private, and `localhost:1` is not in its list"), "{said}");
    assert!(finding(2).contains("127.0.0.1, in 127.0.0.0/8, to which our server does not speak"));
    assert!(steps[2]["advice"].as_str().unwrap().contains("ip_range_whitelist 127.0.0.0/8"));
    assert_eq!(answer["federates"], false);
}

#[test]
fn a_name_that_is_none_is_refused() {
    let said = Person::new().types("content federation-check https://example.org");
    insta::assert_snapshot!(said, @r"
    ------- stderr -------
    error: `https://example.org` is no server name

    hint: name a host such as `example.org` or `example.org:8448`
    [exit 1]
    ");
    let said = Person::new().types("content federation-check --reset");
    assert_eq!(said.code, Some(1), "{said}");
}

#[test]
fn a_certificate_that_is_a_key_is_named_before_anything_changes() {
    let person = Person::new();
    let key = person.home.path().join("key.pem");
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let key = key.display().to_string();
    let set = format!("--set tls.certificate={key} --set tls.key={key}");
    let said = person.types(&format!("{set} config check"));
    insta::assert_snapshot!(said, @r"
    ------- stderr -------
    error: `~/key.pem` contains no certificate but a private key

    hint: `config set tls.certificate FILE` names the PEM file with the certificate and its intermediates
    [exit 1]
    ");
    let said = person.types("--set tls.certificate=/x.pem config check");
    assert!(said.stderr.contains("`tls.key` does not name the file with its key"), "{said}");
    let said = person.types("--set tls.certificate=x.pem config check");
    assert!(said.stderr.contains("`own` or the absolute path"), "{said}");
    assert!(!person.data().exists());
}
