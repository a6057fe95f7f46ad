//! A browser that does what a person does: Chromium without a screen, through the `WebDriver`
//! protocol ([spec]) of chromedriver, with a profile of its own that is new.
//!
//! [spec]: https://www.w3.org/TR/webdriver2/

use std::{
    fs,
    io::{BufRead as _, BufReader, PipeWriter, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::free_port;

/// How long anything may take to appear; it only bounds a failing test.
const PATIENCE: Duration = Duration::from_mins(1);
/// How `WebDriver` names an element within JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The key Enter, as `WebDriver` types it.
pub(crate) const ENTER: &str = "\u{e007}";

/// Everything quiet: no first-run pages, nothing of its own over the network.
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--window-size=1000,700",
];

/// One browser with one window; it ends with this value, or, however that ends, with this process: a
/// browser outlives the driver that started it.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
    leash: Option<PipeWriter>,
    janitor: Child,
}

/// Something on a page.
#[derive(Clone, Debug)]
pub(crate) struct Element(String);

impl Browser {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; `apt-get install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core`"));
        let profile = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let (leash, janitor) = janitor(driver.id(), &profile);
        let mut browser =
            Self { driver, port, session: String::new(), _profile: profile, leash, janitor };
        browser.until("chromedriver listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "args": flags },
        } } });
        let made = browser.ask("POST", "/session", &wanted).unwrap();
        browser.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        browser
    }

    /// One command of the protocol: its value, or the error it says.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "chromedriver has gone away");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].take()),
        }
    }

    fn in_session(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(method, &format!("{}{path}", self.session), body)
    }

    /// Opens an address; back when the page has loaded.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.in_session("POST", "/url", &json!({ "url": url })).unwrap();
    }

    /// The address of the page that is shown.
    #[track_caller]
    pub(crate) fn url(&self) -> String {
        self.in_session("GET", "/url", &Value::Null).unwrap().as_str().unwrap().to_owned()
    }

    /// Whatever follows is about this frame of the page, or about the page again.
    #[track_caller]
    pub(crate) fn frame(&self, number: Option<u32>) {
        self.in_session("POST", "/frame", &json!({ "id": null })).unwrap();
        if number.is_some() {
            self.in_session("POST", "/frame", &json!({ "id": number })).unwrap();
        }
    }

    /// What a script gives back, such as `return document.title`.
    #[track_caller]
    pub(crate) fn script(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.in_session("POST", "/execute/sync", &body).unwrap()
    }

    /// What a CSS selector finds now.
    #[track_caller]
    pub(crate) fn all(&self, css: &str) -> Vec<Element> {
        let body = json!({ "using": "css selector", "value": css });
        let found = self.in_session("POST", "/elements", &body).unwrap();
        let element = |it: &Value| Element(it[ELEMENT].as_str().unwrap().to_owned());
        found.as_array().unwrap().iter().map(element).collect()
    }

    /// The first that a CSS selector finds, once it is there and can be seen.
    #[track_caller]
    pub(crate) fn find(&self, css: &str) -> Element {
        self.until(css, || {
            self.all(css).into_iter().find(|it| self.of(it, "displayed") == Ok(Value::Bool(true)))
        })
    }

    /// The first of those whose text holds this, once there is one.
    #[track_caller]
    pub(crate) fn find_text(&self, css: &str, text: &str) -> Element {
        self.until(&format!("{css} says `{text}`"), || {
            self.all(css).into_iter().find(|it| self.text(it).contains(text))
        })
    }

    /// Empty for what is gone from the page by now.
    pub(crate) fn text(&self, element: &Element) -> String {
        let text = self.of(element, "text");
        text.ok().and_then(|text| Some(text.as_str()?.to_owned())).unwrap_or_default()
    }

    fn of(&self, element: &Element, what: &str) -> Result<Value, String> {
        self.in_session("GET", &format!("/element/{}/{what}", element.0), &Value::Null)
    }

    #[track_caller]
    pub(crate) fn click(&self, element: &Element) {
        let path = format!("/element/{}/click", element.0);
        self.in_session("POST", &path, &json!({})).unwrap();
    }

    /// Clicks on the first of those whose text holds this, also where the page draws it anew meanwhile.
    #[track_caller]
    pub(crate) fn click_text(&self, css: &str, text: &str) {
        self.until(&format!("{css} says `{text}` and is clicked on"), || {
            let found = self.all(css).into_iter().find(|it| self.text(it).contains(text))?;
            self.in_session("POST", &format!("/element/{}/click", found.0), &json!({})).ok()
        });
    }

    /// Types behind what is there already.
    #[track_caller]
    pub(crate) fn type_into(&self, element: &Element, text: &str) {
        let path = format!("/element/{}/value", element.0);
        self.in_session("POST", &path, &json!({ "text": text })).unwrap();
    }

    /// Replaces what stands in a field.
    #[track_caller]
    pub(crate) fn fill(&self, css: &str, text: &str) {
        let field = self.find(css);
        self.in_session("POST", &format!("/element/{}/clear", field.0), &json!({})).unwrap();
        self.type_into(&field, text);
    }

    /// Keeps what is shown as `target/screenshots/NAME.png`.
    #[track_caller]
    pub(crate) fn screenshot(&self, name: &str) -> PathBuf {
        let picture = self.in_session("GET", "/screenshot", &Value::Null).unwrap();
        let picture = BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, picture).unwrap();
        path
    }

    /// Waits until something is there. What the page shows instead is kept as a picture.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            if Instant::now() > limit {
                assert!(!self.session.is_empty(), "waited in vain until {what}");
                let picture = self.screenshot("in-vain");
                let words = self.script("return document.body.innerText");
                panic!("waited in vain for {what}, see {}: {words}", picture.display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser with the session; killed alone it would leave it behind.
        if !self.session.is_empty() {
            drop(self.ask("DELETE", &self.session, &Value::Null));
        }
        drop(self.leash.take());
        drop(self.janitor.wait());
        drop(self.driver.wait());
    }
}

/// At the end of its input it ends the driver and all that has this profile, and removes that.
fn janitor(driver: u32, profile: &TempDir) -> (Option<PipeWriter>, Child) {
    const CLEARS: &str = "trap '' INT TERM HUP; cat >/dev/null; kill -9 \"$1\"
        for it in /proc/[0-9]*; do
            grep -qs -- \"--user-data-dir=$2\" \"$it/cmdline\" && kill -9 \"${it#/proc/}\"
        done
        rm -rf \"$2\"";
    let (end, leash) = std::io::pipe().unwrap();
    let mut janitor = Command::new("sh");
    janitor.args(["-c", CLEARS, "janitor", &driver.to_string()]).arg(profile.path()).stdin(end);
    janitor.stdout(Stdio::null()).stderr(Stdio::null());
    (Some(leash), janitor.spawn().unwrap())
}
