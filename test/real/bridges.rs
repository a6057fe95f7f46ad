//! Bridges: the registration is ours, Synapse knows it, the bridge runs and carries messages both ways.

use std::{
    cell::RefCell,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    common::{Instance, Said, file, free_port, kill_9, wait_for},
    lent::Lent,
};

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

    pub(crate) fn heard(&self, room: &str, text: &str) -> bool {
        self.bodies(room).iter().any(|body| body.contains(text))
    }

    pub(crate) fn bridge(&self, name: &str) -> Value {
        let all = self.json(&["content", "list-bridges"]);
        let found = all["bridges"].as_array().unwrap().iter().find(|it| it["name"] == name);
        found.cloned().unwrap_or_else(|| panic!("{all}"))
    }

    fn homeserver_yaml(&self) -> String {
        fs::read_to_string(self.data.join("synapse/homeserver.yaml")).unwrap()
    }

    /// The two tokens of a bridge's registration.
    pub(crate) fn tokens(&self, name: &str) -> [String; 2] {
        let file = self.data.join("bridges").join(name).join("registration.yaml");
        let text = fs::read_to_string(file).unwrap();
        ["as_token: ", "hs_token: "].map(|key| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim_matches('"').to_owned()
        })
    }
}

/// Neither command lines nor logs nor answers hold a secret, and nobody else can read its files.
pub(crate) fn keeps_secrets(server: &Instance, name: &str, said: &[&Said], more: &[&str]) {
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
    let tokens = server.tokens(name);
    assert!(tokens.iter().all(|token| token.len() == 43));
    let password = fs::read_to_string(folder.join("database_password")).ok();
    let secrets = tokens.iter().chain(&password).map(String::as_str).chain(more.iter().copied());
    for secret in secrets {
        assert!(!secret.is_empty() && !texts.iter().any(|text| text.contains(secret)));
    }
}

/// The stand-in for a bridge, as a program of this server's.
pub(crate) fn stand_in(server: &Instance) -> String {
    python_program(server, "stand-in", include_str!("../stand_in.py"))
}

/// One of the stand-ins, behind what they have in common.
pub(crate) fn python_program(server: &Instance, name: &str, text: &str) -> String {
    let python = server.data.join("environments/synapse/bin/python");
    let common = include_str!("../stand_in_common.py");
    program(server, name, &format!("#!{}\n{common}{text}", python.display()))
}

fn program(server: &Instance, name: &str, text: &str) -> String {
    let path = file(&server.data, name, text.as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// Runs a statement on the server's PostgreSQL; the first column of what it answers.
pub(crate) fn sql(server: &Instance, statement: &str) -> Vec<String> {
    sql_in(server, "postgres", statement)
}

pub(crate) fn sql_in(server: &Instance, database: &str, statement: &str) -> Vec<String> {
    let script = "import sys, psycopg2
c = psycopg2.connect(host='127.0.0.1', port=sys.argv[1], user='postgres', dbname=sys.argv[3], password=sys.stdin.read())
c.autocommit = True
q = c.cursor()
q.execute(sys.argv[2])
print(*(row[0] for row in (q.fetchall() if q.description else ())), sep='\\n')";
    let password = File::open(server.data.join("secrets/postgres_superuser_password")).unwrap();
    let python = server.data.join("environments/synapse/bin/python");
    let said = Command::new(python)
        .args(["-c", script, &server.ports[2].to_string(), statement, database])
        .stdin(password)
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).unwrap();
    said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

pub(crate) const DATABASES: &str =
    "SELECT datname FROM pg_database WHERE datname LIKE 'synapse\\_%' ORDER BY 1";
pub(crate) const ROLES: &str =
    "SELECT rolname FROM pg_roles WHERE rolname LIKE 'synapse\\_%' ORDER BY 1";

#[test]
fn bridges_of_ones_own_program_get_a_database_and_answer() {
    let server = Lent::up();
    let program = stand_in(&server);
    for name in ["slack", "discord"] {
        let add = ["content", "add-bridge", name, "--program", &program];
        let added = server.run(&add).success().says("it answers through Synapse after");
        keeps_secrets(&server, name, &[&added], &[]);
        server.run(&add).exits(2);
    }
    let both = ["synapse_discord", "synapse_slack"];
    assert_eq!(
        (sql(&server, DATABASES), sql(&server, ROLES)),
        (both.map(str::to_owned).into(), both.map(str::to_owned).into())
    );
    let (slack, discord) = (server.bridge("slack"), server.bridge("discord"));
    assert_ne!(slack["port"], discord["port"]);
    assert_eq!(slack["database"], "synapse_slack");

    // What a bridge is asked into is not encrypted by default: it would hear nothing.
    let make = ["content", "create-room", "To Slack", "--invite", "@slackbot"];
    let made = server.json(&make);
    assert_eq!(made["encrypted"], false);
    let room = made["room_id"].as_str().unwrap().to_owned();
    let deaf = server.room("Deaf");
    server.run(&["content", "invite", &deaf, "@slackbot"]).success().says("--no-encryption");
    wait_for("the bot is there", || {
        server.json(&["content", "get-room", &room])["members_count"] == 2
    });
    server.run(&["content", "send-message", &room, "hello"]).success();
    wait_for("somebody answers", || server.heard(&room, "heard: hello"));
    let page = server.json(&["content", "read-messages", &room]);
    let answer =
        page["messages"].as_array().unwrap().iter().find(|it| it["body"] == "heard: hello");
    assert_eq!(answer.unwrap()["sender"], "@slack_ada:test.example");

    // Its database is gone: that is said, and asked for again it is made again.
    sql(&server, "DROP DATABASE synapse_slack WITH (FORCE)");
    drop(server.run(&["manage", "restart", "bridge-slack"]));
    server
        .run(&["content", "list-bridges"])
        .success()
        .says("the bridge `slack`: its database `synapse_slack` is gone");
    let synapse = server.pid("synapse");
    let again = ["content", "add-bridge", "slack", "--program", &program];
    server.run(&again).success().says("it answers through Synapse after");
    assert_eq!(server.pid("synapse"), synapse);

    for name in ["slack", "discord"] {
        let said = server.run(&["content", "remove-bridge", name]).success();
        said.says(&format!("dropped the database synapse_{name}"));
    }
    assert!(sql(&server, DATABASES).is_empty() && sql(&server, ROLES).is_empty());
    assert!(server.is_healthy());
}

/// A registration as another program would write it.
fn registration(server: &Instance, name: &str, port: u16, change: (&str, &str)) -> String {
    let text = format!(
        "id: {name}\nurl: http://127.0.0.1:{port}\nas_token: as-{name}\nhs_token: hs-{name}\n\
         sender_localpart: {name}bot\nnamespaces:\n  users:\n  \
         - {{regex: '@{name}_.*', exclusive: true}}\n"
    );
    let name = format!("{name}-{}.yaml", change.1.len());
    file(&server.data, &name, text.replace(change.0, change.1).as_bytes()).display().to_string()
}

#[test]
fn what_is_wrong_with_a_bridge_is_said_and_the_homeserver_goes_on() {
    let mut server = Instance::installed("bad-bridges");
    server.variable("MATRIX_SYNAPSE_RESTARTS", "1");
    server.run(&["manage", "install", "--start"]).success();
    let program = stand_in(&server);
    let [port, beside, far, queer] = std::array::from_fn(|_| free_port());
    let good = registration(&server, "own", port, ("", ""));
    let command = format!("{program} --flag");
    let add = ["content", "add-bridge", "custom", "--name", "own", "--registration", &good];
    server
        .run(&[&add[..], &["--command", &command]].concat())
        .success()
        .says("it answers through Synapse after");
    let synapse = server.pid("synapse");
    let refused = |words: &[&str], what: &str| {
        let said = server.run(&[&["content", "add-bridge"], words].concat()).exits(1).says(what);
        assert!(said.stderr.contains("hint: ") || what.starts_with("cannot read"), "{said}");
        assert!(!said.to_string().contains("hs-o"), "{said}");
    };
    let custom = |file: &str, what: &str| {
        refused(&["custom", "--name", "other", "--registration", file], what);
    };
    let nobody = "there is no user `@nosuchuser:test.example`";
    refused(&["irc", "--owner", "nosuchuser"], nobody);
    let other = |from: &str, to: &str| registration(&server, "other", beside, (from, to));
    custom(&other("id: other", "id: own"), "the id of the bridge is also that of the bridge `own`");
    custom(&other("as-other", "as-own"), "the as_token of the bridge is also that of");
    custom(&other("hs-other", "hs-own"), "the hs_token of the bridge is also that of");
    custom(&other("@other_.*", "@own_x.*"), "overlaps with that of the bridge `own`");
    custom(&other("otherbot", "ownbot"), "the sender_localpart of the bridge is also that of");
    custom(&other("otherbot", "own_me"), "which belongs to the bridge `own`");
    custom(&other("@other_.*", "@.*"), "overlaps with that of the bridge `own`");
    custom(&other("@other_.*", "@op"), "would own the account `@operator:test.example`");
    custom(&other("otherbot", "operator"), "the account that this program acts with");
    server.run(&["content", "add-user", "carol"]).success();
    custom(&other("otherbot", "carol"), "is an account of somebody here");
    custom(&other("url: ", "uri: "), "is not a valid registration: it has no `url`");
    custom(&other("@other_.*", "@carol:.*"), "would own the account `@carol:test.example`");
    custom(&other("hs-other", "as-other"), "its `as_token` and its `hs_token` are the same");
    custom(&other("hs-other", "as-own"), "the hs_token of the bridge is also that of");
    // What Synapse reads otherwise than others do would keep it from starting.
    custom(&other("@other_.*", "@other_(?<name>a)"), "Python cannot read one of its expressions");
    custom(&other("id: other", "id: 1:30"), "Required string field: 'id'");
    custom("/nowhere.yaml", "cannot read `/nowhere.yaml`");
    let garbage = file(&server.data, "garbage.yaml", b"\x00\xff").display().to_string();
    custom(&garbage, "is not valid UTF-8");
    refused(&["matrix"], "there is no kind of bridge `matrix`");
    refused(&["irc", "--name", "Ä b"], "is not a valid bridge name");
    refused(&["slack"], "needs `--program`");
    refused(&["irc", "--program", "/bin/true"], "does not take `--program`");
    refused(&["slack", "--program", "/nowhere"], "is not an executable program");
    let taken = port.to_string();
    refused(&["irc", "--port", &taken], "is taken by the bridge `own`");
    refused(&["irc", "--port", &server.port.to_string()], "is taken by the setting `server.port`");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = listener.local_addr().unwrap().port().to_string();
    refused(&["irc", "--port", &held], &format!("port {held} is taken by"));
    assert_eq!(server.pid("synapse"), synapse);
    assert_eq!(server.json(&["content", "list-bridges"])["total"], 1);

    // It crashes at once.
    let crashes = program_that_crashes(&server);
    let said = server.run(&["content", "add-bridge", "slack", "--program", &crashes]).exits(1);
    let said = said.says("the service `bridge-slack` has failed").says("no such workspace");
    said.says("`content remove-bridge slack` removes it");
    assert!(server.run(&["content", "send-message", &server.room("On"), "goes on"]).code == 0);
    assert_eq!(server.json(&["content", "remove-bridge", "slack"])["removed"], true);

    // Synapse cannot reach it, or is not believed.
    let away = registration(&server, "away", far, ("127.0.0.1", "127.0.0.2"));
    let add = ["content", "add-bridge", "custom", "--name", "away", "--registration", &away];
    server.run(&add).success().says("Synapse cannot reach it at `http://127.0.0.2:");
    assert_eq!(server.bridge("away")["state"], "apart");
    let odd = registration(&server, "odd", queer, ("", ""));
    let other = registration(&server, "odd", queer, ("hs-odd", "another"));
    let command = format!("{program} -r {other}");
    server
        .run(&[
            "content",
            "add-bridge",
            "custom",
            "--name",
            "odd",
            "--registration",
            &odd,
            "--command",
            &command,
        ])
        .exits(1)
        .says("it rejects Synapse's hs_token");

    // A registration that is lost or damaged is left out.
    let file_of = |name: &str| server.data.join("bridges").join(name).join("registration.yaml");
    fs::remove_file(file_of("own")).unwrap();
    fs::write(file_of("odd"), "garbage").unwrap();
    let unreadable = fs::read_to_string(file_of("away")).unwrap().replace("@away_", "@away_**");
    let readable = fs::read(file_of("away")).unwrap();
    fs::write(file_of("away"), unreadable).unwrap();
    let refused = "Synapse cannot read the registration of the bridge `away`: ";
    server.run(&["config", "check"]).exits(1).says(refused);
    server.run(&["manage", "restart"]).exits(1).says(refused).says("was not stopped");
    fs::write(file_of("away"), readable).unwrap();
    let restarted = server.run(&["manage", "restart"]).success();
    restarted.says("the bridge `own` is left out").says("the bridge `odd` is left out");
    assert!(server.is_healthy());
    assert_eq!(server.bridge("own")["state"], "lost");
    assert!(server.homeserver_yaml().contains("bridges/away/registration.yaml"));
    for name in ["own", "odd", "away"] {
        server.run(&["content", "remove-bridge", name]).success();
    }
    assert!(server.is_healthy() && !server.data.join("bridges").exists());
}

fn program_that_crashes(server: &Instance) -> String {
    program(server, "crashes", "#!/bin/sh\necho 'no such workspace' >&2\nexit 3\n")
}

/// What comes from IRC is there in the clear, and what people say with a client that encrypts goes nowhere.
fn a_room_that_synapse_encrypts_by_force_is_deaf(
    server: &Instance,
    bob: &mut Person,
    bot: &str,
    [network, channel]: [&str; 2],
) {
    let force = |how| {
        server.run(&["config", "set", "synapse.encryption_enabled_by_default_for_room_type", how])
    };
    force("invite").success();
    let deaf = "bridges make, in which they hear nothing";
    server.run(&["config", "check"]).success().says(deaf);
    server.run(&["manage", "restart"]).success().says(deaf);
    bob.hears("JOIN");
    bob.says("JOIN #deaf");
    bob.hears(" 366 ");
    let room = server.made_by(bot, "alice", || {
        wait_for("it is connected", || server.bridge("irc")["state"] == "running");
        server.says_as("alice", network, "JOIN #deaf");
    });
    assert_eq!(server.json(&["content", "get-room", &room])["encrypted"], true);
    bob.hears("mxalice");
    server.says_as("alice", &room, "unheard");
    bob.says("PRIVMSG #deaf :in the clear");
    wait_for("it arrives", || server.heard(&room, "in the clear"));
    // Of what goes to IRC the first is what was said where nothing is encrypted.
    server.says_as("alice", channel, "heard");
    let line = bob.hears("PRIVMSG #");
    assert!(line.contains("PRIVMSG #lab :heard"), "{line}");
    force("off").success();
    server.run(&["manage", "restart"]).success();
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
    keeps_secrets(&server, "irc", &[&added], &[]);
    let again = server.pid("synapse");
    server.run(&add).exits(2).says("exists already");
    assert_eq!(server.pid("synapse"), again);
    server
        .run(&["content", "add-bridge", "irc"])
        .exits(1)
        .says("exists already with other settings");
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

    a_room_that_synapse_encrypts_by_force_is_deaf(&server, &mut bob, bot, [&network, &channel]);

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
