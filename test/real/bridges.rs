//! Bridges: the registration is ours, Synapse knows it, the bridge runs and carries messages both ways.

use std::{
    cell::RefCell,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::common::{Instance, Said, file, free_port, kill_9, wait_for};

/// An IRC server of one's own.
struct Irc {
    child: Child,
    port: u16,
}

impl Irc {
    fn new(folder: &Path) -> Self {
        let port = free_port();
        let conf = format!(
            "[Global]\nName = irc.lab.test\nInfo = lab\nPorts = {port}\nListen = 127.0.0.1\n\
             ServerUID = nobody\nServerGID = nogroup\nMotdPhrase = lab\n\
             [Options]\nPAM = no\nIdent = no\nDNS = no\nChrootDir =\n\
             [Limits]\nMaxConnectionsIP = 0\nMaxJoins = 50\nMaxPenaltyTime = 0\n"
        );
        let conf = file(folder, "ngircd.conf", conf.as_bytes());
        let program = ["/usr/sbin/ngircd", "ngircd"].into_iter().find(|it| Path::new(it).exists());
        let child = Command::new(program.unwrap_or("ngircd"))
            .args(["-n", "-f"])
            .arg(conf)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the IRC server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port }
    }
}

impl Drop for Irc {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Somebody on IRC.
struct Person {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Person {
    fn joins(irc: &Irc, nick: &str, channel: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", irc.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        let mut person = Self { stream, lines };
        person.says(&format!("NICK {nick}\r\nUSER {nick} 0 * :{nick}"));
        person.hears(" 001 ");
        person.says(&format!("JOIN {channel}"));
        person.hears(" 366 ");
        person
    }

    fn says(&mut self, line: &str) {
        write!(self.stream, "{line}\r\n").unwrap();
    }

    /// Waits for a line that holds this.
    fn hears(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the server hung up");
            if let Some(token) = line.strip_prefix("PING ") {
                let pong = format!("PONG {}", token.trim_end());
                self.says(&pong);
            }
            if line.contains(what) {
                return line;
            }
        }
    }
}

impl Instance {
    /// The rooms that a user of the server has made.
    fn rooms_of(&self, creator: &str) -> Vec<String> {
        let all = self.json(&["content", "list-rooms"]);
        let all = all["rooms"].as_array().unwrap().iter();
        let made = all.filter(|room| room["creator"] == creator);
        made.map(|room| room["room_id"].as_str().unwrap().to_owned()).collect()
    }

    /// The room into which a bridge invites a user when it is told something.
    fn made_by(&self, creator: &str, user: &str, act: impl FnOnce()) -> String {
        let joins =
            |room: &String| self.run(&["content", "join-room", room, "--as", user]).code == 0;
        act();
        let found = RefCell::new(None);
        wait_for("the bridge invites", || {
            let new = self.rooms_of(creator).into_iter().find(joins);
            found.replace(new);
            found.borrow().is_some()
        });
        found.take().unwrap()
    }

    fn says_as(&self, user: &str, room: &str, text: &str) {
        self.run(&["content", "send-message", room, text, "--as", user]).success();
    }

    fn heard(&self, room: &str, text: &str) -> bool {
        self.bodies(room).iter().any(|body| body.contains(text))
    }

    fn bridge(&self, name: &str) -> Value {
        let all = self.json(&["content", "list-bridges"]);
        let found = all["bridges"].as_array().unwrap().iter().find(|it| it["name"] == name);
        found.cloned().unwrap_or_else(|| panic!("{all}"))
    }

    fn homeserver_yaml(&self) -> String {
        fs::read_to_string(self.data.join("synapse/homeserver.yaml")).unwrap()
    }

    /// The two tokens of a bridge's registration.
    fn tokens(&self, name: &str) -> [String; 2] {
        let file = self.data.join("bridges").join(name).join("registration.yaml");
        let text = fs::read_to_string(file).unwrap();
        ["as_token: ", "hs_token: "].map(|key| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim_matches('"').to_owned()
        })
    }
}

/// Neither command lines nor logs nor answers hold a token, and nobody else can read its files.
fn keeps_secrets(server: &Instance, name: &str, said: &[&Said]) {
    let folder = server.data.join("bridges").join(name);
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert!(mode == 0o600, "{}: {mode:o}", entry.path().display());
    }
    let words = fs::read(format!("/proc/{}/cmdline", server.pid(&format!("bridge-{name}"))));
    let mut texts = vec![String::from_utf8(words.unwrap()).unwrap()];
    for log in fs::read_dir(server.data.join("logs")).unwrap() {
        texts.push(String::from_utf8_lossy(&fs::read(log.unwrap().path()).unwrap()).into_owned());
    }
    texts.extend(said.iter().map(ToString::to_string));
    for token in server.tokens(name) {
        assert_eq!(token.len(), 43);
        assert!(!texts.iter().any(|text| text.contains(&token)));
    }
}

#[test]
fn a_message_goes_to_irc_and_back() {
    let server = Instance::started("irc");
    let irc = Irc::new(&server.data);
    server.run(&["content", "add-user", "alice"]).success();
    let before = server.pid("synapse");
    let add = ["content", "add-bridge", "irc", "--owner", "alice"];
    let added = server.run(&add).success().says("it answers through Synapse after");
    assert_ne!(server.pid("synapse"), before);
    keeps_secrets(&server, "irc", &[&added]);
    let again = server.pid("synapse");
    server.run(&add).exits(2).says("exists already");
    assert_eq!(server.pid("synapse"), again);
    server.run(&["content", "add-bridge", "irc"]).exits(1).says("asked for with other settings");
    let listed = server.bridge("irc");
    assert_eq!((&listed["state"], &listed["last_ping"]["ok"]), (&"running".into(), &true.into()));
    server.run(&["status"]).success();
    server.run(&["manage", "services"]).success().says("bridge-irc [running] bridge to IRC");
    server.run(&["content", "bridge-logs", "irc"]).success().says("bridge is now running");

    let bot = "@ircbot:test.example";
    let control = server.made_by(bot, "alice", || ());
    server.says_as("alice", &control, "ADDNETWORK lab");
    server.says_as("alice", &control, &format!("ADDSERVER lab 127.0.0.1 {}", irc.port));
    let network = server.made_by(bot, "alice", || server.says_as("alice", &control, "OPEN lab"));
    server.says_as("alice", &network, "NICK mxalice");
    let mut bob = Person::joins(&irc, "bob", "#lab");
    let channel = server.made_by(bot, "alice", || {
        server.says_as("alice", &network, "CONNECT");
        wait_for("it is connected", || server.heard(&network, "Welcome"));
        server.says_as("alice", &network, "JOIN #lab");
    });
    bob.hears("JOIN");
    server.says_as("alice", &channel, "from Matrix");
    let line = bob.hears("PRIVMSG #lab");
    assert!(line.starts_with(":mxalice!") && line.contains("from Matrix"), "{line}");
    bob.says("PRIVMSG #lab :from IRC");
    wait_for("it arrives", || server.heard(&channel, "from IRC"));
    let page = server.json(&["content", "read-messages", &channel]);
    let message = page["messages"].as_array().unwrap().iter().find(|it| it["body"] == "from IRC");
    assert_eq!(message.unwrap()["sender"], "@irc_lab_bob:test.example");

    // A bridge that dies comes back, and knows its rooms.
    kill_9(server.pid("bridge-irc"));
    wait_for("it is back", || server.bridge("irc")["state"] == "running");
    bob.hears("JOIN");
    bob.says("PRIVMSG #lab :again");
    wait_for("it arrives again", || server.heard(&channel, "again"));

    server.run(&["content", "remove-bridge", "irc"]).success().says("restarted: synapse");
    assert!(!server.data.join("bridges").exists());
    assert!(!server.homeserver_yaml().contains("app_service"));
    assert!(server.is_healthy());
    server.run(&["content", "remove-bridge", "irc"]).exits(2).says("there is no bridge irc");
    server.run(&["content", "list-bridges"]).success();

    // While nothing runs it is made ready, and the next start brings it up with the same users.
    server.run(&["manage", "stop"]).success();
    server.run(&add).success().says("the next `manage start` brings it up");
    server.run(&["manage", "start"]).success();
    server.run(&["content", "list-bridges", "--ping", "--timeout", "20"]).success().says(" ms, ");
}
