//! Logins through a provider: a real one, and a person who logs in with it in a browser.

use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::{
    browser::Browser,
    common::{Instance, free_port, get, wait_for},
    packages,
};

/// A provider that lets in whoever types a name.
struct Provider {
    child: Child,
    port: u16,
    _packages: tempfile::TempDir,
}

impl Provider {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        packages::install("oidc-provider-mock==0.3.4", folder.path());
        let port = free_port();
        let child = Command::new(packages::python())
            .args(["-m", "oidc_provider_mock", "--port", &port.to_string()])
            .env("PYTHONPATH", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let provider = Self { child, port, _packages: folder };
        wait_for("the provider answers", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        provider
    }

    fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn stop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Logs in as `name` with the provider; who that is here.
fn login(server: &Instance, browser: &Browser, name: &str) -> String {
    let here = format!("http://127.0.0.1:{}", server.port);
    let asked = "/_matrix/client/v3/login/sso/redirect/oidc?redirectUrl=";
    browser.open(&format!("{here}{asked}{here}/health"));
    browser.fill("input[name=sub]", name);
    browser.click(&browser.find("button[type=submit]"));
    // Synapse asks whether the person means to go on.
    browser.click(&browser.find("a.primary-button"));
    let token = browser.until("the browser is back", || {
        Some(browser.url().split_once("loginToken=")?.1.to_owned())
    });
    let body = json!({ "type": "m.login.token", "token": token });
    let (status, answer) = server.post("/_matrix/client/v3/login", &body.to_string());
    assert_eq!(status, 200, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    answer["user_id"].as_str().unwrap().to_owned()
}

#[test]
fn people_log_in_with_the_account_they_have_and_with_no_password() {
    let mut provider = Provider::start();
    let mut server = Instance::with_environment("oidc");
    let issuer =
        |server: &mut Instance, url: &str| server.variable("MATRIX_SYNAPSE_OIDC_ISSUER", url);
    issuer(&mut server, &provider.issuer());
    let install = ["manage", "install", "--start"];
    server.run(&install).exits(1).says("`oidc.client_secret` is not");
    server.variable("MATRIX_SYNAPSE_OIDC_CLIENT_SECRET", "hunter22-hunter22");
    server.variable("MATRIX_SYNAPSE_OIDC_LOCALPART", "{{ user.sub }}");
    server.variable("MATRIX_SYNAPSE_OIDC_DISPLAY_NAME", "{{ user.sub }}");
    server.variable("MATRIX_SYNAPSE_PASSWORD_LOGIN", "false");
    server.variable("MATRIX_SYNAPSE_LOGINS_BURST", "1000");
    issuer(&mut server, &format!("{}/other", provider.issuer()));
    server.run(&install).exits(1).says("is not an OpenID provider");
    issuer(&mut server, &format!("http://127.0.0.1:{}", free_port()));
    server.run(&install).exits(1).says("cannot be reached").says("--skip-validation");
    assert!(!server.data.join("synapse/homeserver.yaml").exists());
    issuer(&mut server, &provider.issuer());
    server.run(&install).success();
    let (_, flows) = get(server.port, "/_matrix/client/v3/login");
    assert!(flows.contains("m.login.sso") && !flows.contains("m.login.password"), "{flows}");
    let yaml = std::fs::read_to_string(server.data.join("synapse/homeserver.yaml")).unwrap();
    assert!(!yaml.contains("hunter22"));

    let browser = Browser::start();
    assert_eq!(login(&server, &browser, "carol"), "@carol:test.example");
    assert_eq!(login(&server, &browser, "carol"), "@carol:test.example", "the same person");
    // A name that somebody has gets a number, and what no user id may hold is written differently.
    server.run(&["content", "add-bot", "dave"]).success();
    assert_eq!(login(&server, &browser, "dave"), "@dave1:test.example");
    assert_eq!(login(&server, &browser, "Eve Müller"), "@eve=20m=c3=bcller:test.example");

    provider.stop();
    server.run(&["config", "check"]).success().says("cannot be reached");
    let path = "/_matrix/client/v3/login/sso/redirect/oidc?redirectUrl=http://127.0.0.1/";
    assert!(get(server.port, path).0 >= 300, "the login page of Synapse says so");
    assert!(server.is_healthy());
    server.run(&["content", "list-users"]).success().says("@carol:test.example");
}
