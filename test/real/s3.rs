//! Uploads are kept in a store that speaks S3 as well: a real one, Swift, of
//! the `OpenStack` project, that checks who asks.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    common::{Instance, Said, file, free_port, get, wait_for},
    packages,
    workers::is_up,
};

const KEY: &str = "test:synapse";
const SECRET: &str = "kept-in-a-file-of-its-own";
const BUCKET: &str = "uploads";

/// The store, which keeps what it has while it is stopped.
struct Store {
    folder: TempDir,
    packages: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Store {
    fn start() -> Self {
        let (folder, packages) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let list = concat!(env!("CARGO_MANIFEST_DIR"), "/test/store.lock");
        packages::pip(&["install", "--no-compile", "--target"], packages.path(), Path::new(list));
        let mut store = Self { folder, packages, port: free_port(), child: None };
        store.go_on();
        store
    }

    fn go_on(&mut self) {
        let child = Command::new(packages::python())
            .args(["-W", "ignore", concat!(env!("CARGO_MANIFEST_DIR"), "/test/store.py")])
            .arg(self.folder.path())
            .args([&self.port.to_string(), KEY, SECRET])
            .env("PYTHONPATH", self.packages.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_for("the store answers", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What boto says to this, asked by the environment of a homeserver that has it.
    #[track_caller]
    fn boto(&self, server: &Instance, ask: &str) -> Value {
        let script = format!(
            "import boto3, json, sys\n\
             url, key, secret, bucket = sys.argv[1:]\n\
             s3 = boto3.client('s3', endpoint_url=url, region_name='us-east-1',\n\
             \x20   aws_access_key_id=key, aws_secret_access_key=secret)\n\
             print(json.dumps({ask}, default=str))"
        );
        let python = server.data.join("environments/synapse/bin/python");
        let mut command = Command::new(python);
        command.args(["-I", "-c", &script, &self.url(), KEY, SECRET, BUCKET]);
        let said = command.output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        serde_json::from_slice(&said.stdout).unwrap()
    }

    /// The names of all objects.
    fn objects(&self, server: &Instance) -> Vec<String> {
        let ask = "[it['Key'] for it in s3.list_objects_v2(Bucket=bucket).get('Contents', [])]";
        serde_json::from_value(self.boto(server, ask)).unwrap()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Instance {
    fn upload(&self, room: &str, name: &str, content: &[u8]) -> Said {
        let path = file(&self.data, name, content).display().to_string();
        self.run(&["content", "send-media", room, &path, "--format", "json"])
    }

    /// What Synapse gives out under this `mxc://` address, on this port.
    fn download(&self, port: u16, uri: &str) -> (u16, String) {
        let token =
            self.json(&["credentials", "--show-secrets"])["connections"][0]["auth"]["token"]
                .clone();
        let (token, uri) = (token.as_str().unwrap(), uri.strip_prefix("mxc://").unwrap());
        get(port, &format!("/_matrix/client/v1/media/download/{uri}?access_token={token}"))
    }

    /// Takes to the bucket what is on the disk alone, and off the disk what is in the bucket.
    #[track_caller]
    fn move_media(&self) {
        let data = |path: &str| self.data.join(path);
        let media = data("media").display().to_string();
        let yaml = data("synapse/homeserver.yaml").display().to_string();
        let update = ["update", "--homeserver-config-path", &yaml, &media, "0d"];
        for words in [&update[..], &["upload", "--delete", "--prefix", "chat/", &media, BUCKET]] {
            let moved = Command::new(data("environments/synapse/bin/s3_media_upload"))
                .args(words)
                .current_dir(data("cache"))
                .env("AWS_SHARED_CREDENTIALS_FILE", data("secrets/s3_credentials"))
                .output()
                .unwrap();
            assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
        }
    }

    fn rendered(&self) -> Option<String> {
        fs::read_to_string(self.data.join("synapse/homeserver.yaml")).ok()
    }
}

#[track_caller]
fn uri(sent: &Said) -> String {
    let sent = sent.json();
    sent["url"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The files below a folder that hold a text, but those of `secrets` and of the packages.
fn holding(folder: &Path, text: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() && !path.ends_with("secrets") && !path.ends_with("environments") {
            holding(&path, text, found);
        }
        if kind.is_file() && holds(&fs::read(&path).unwrap(), text) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn what_was_uploaded_is_in_the_bucket_and_comes_back_when_the_disk_has_lost_it() {
    let mut store = Store::start();
    let mut server = Instance::with_environment("s3");
    let install = ["manage", "install", "--start"];
    let refused = |server: &Instance, why: &str| {
        let said = server.run(&install).exits(1).says(why);
        assert!(!said.to_string().contains(SECRET), "{said}");
        assert_eq!(server.rendered(), None);
    };
    server.variable("MATRIX_SYNAPSE_S3_BUCKET", BUCKET);
    server.variable("MATRIX_SYNAPSE_S3_PREFIX", "chat/");
    refused(&server, "`media.s3_access_key` is not");
    server.variable("MATRIX_SYNAPSE_S3_ACCESS_KEY", KEY);
    refused(&server, "`media.s3_secret_key` is not");
    server.variable("MATRIX_SYNAPSE_S3_SECRET_KEY", &format!("not-{SECRET}"));
    server.variable("MATRIX_SYNAPSE_S3_ENDPOINT", &format!("http://127.0.0.1:{}", free_port()));
    refused(&server, "cannot reach the S3 media store");
    server.variable("MATRIX_SYNAPSE_S3_ENDPOINT", &store.url());
    refused(&server, "the S3 media store rejects the keys: SignatureDoesNotMatch");
    server.variable("MATRIX_SYNAPSE_S3_SECRET_KEY", SECRET);
    refused(&server, "the S3 media store has no bucket `uploads`");

    store.boto(&server, "s3.create_bucket(Bucket=bucket)");
    server.run(&install).success();
    assert_eq!(store.objects(&server), Vec::<String>::new(), "asking leaves nothing");
    server.run(&["content", "media"]).success().says("are also in the bucket `uploads`");
    let room = server.clear_room("Files");
    // One that boto sends in one piece, and one in parts.
    let (small, large) = ("kept twice\n".to_owned(), "0123456789abcde\n".repeat(600_000));
    let sent = server.upload(&room, "small.txt", small.as_bytes()).success();
    let (small_uri, sent) = (uri(&sent), server.upload(&room, "large.txt", large.as_bytes()));
    let large_uri = uri(&sent.success());
    let objects = store.objects(&server);
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert!(objects.iter().all(|name| name.starts_with("chat/local_content/")), "{objects:?}");
    // What is only on the disk, as all is that is older than the bucket, is taken there.
    let gone = store.boto(&server, "[s3.delete_object(Bucket=bucket, Key=it['Key']) for it in s3.list_objects_v2(Bucket=bucket)['Contents']]");
    assert_eq!(gone.as_array().unwrap().len(), 2);
    server.move_media();
    assert_eq!(store.objects(&server), objects);
    let stored = &server.json(&["content", "media"])["stored"]["local"]["count"];
    assert_eq!(stored, 0, "it is off the disk");
    assert_eq!(server.download(server.port, &small_uri), (200, small.clone()));
    assert!(server.download(server.port, &large_uri) == (200, large));

    // What is wrong changes nothing of what runs.
    let before = server.rendered();
    let other = ["manage", "install", "--set", "media.s3_bucket=other"];
    server.run(&other).exits(1).says("the S3 media store has no bucket `other`");
    assert_eq!(server.rendered(), before);
    let half = ["manage", "restart", "--set", "media.s3_access_key="];
    server.run(&half).exits(1).says("`media.s3_access_key` is not");
    server.run(&["config", "check"]).success().says("all settings are valid and applied");

    // Backups go there as well: what is there already is not sent again, and what nobody needs goes.
    let before = store.objects(&server).len();
    let place = format!("s3://{BUCKET}/backups");
    let make = ["manage", "backup", "--incremental", "--to", &place];
    let made = server.json(&make);
    let again = server.json(&make);
    assert_eq!(again["stored"]["files"], 0, "{again}");
    let shown = server.run(&["manage", "backup", "list", "--to", &place]).success();
    assert_eq!(shown.stdout.lines().count(), 3, "{shown}");
    for made in [made, again] {
        let path = made["backups"][0]["path"].as_str().unwrap();
        server.run(&["manage", "backup", "show", path]).success().says("test.example as it was");
        server.run(&["manage", "backup", "remove", path]).success();
    }
    assert_eq!(store.objects(&server).len(), before);

    // Without the store nothing is taken that could be lost, and all else goes on.
    let on_disk = uri(&server.upload(&room, "more.txt", b"still here\n").success());
    store.stop();
    server.upload(&room, "lost.txt", b"not taken\n").exits(1);
    server.run(&make).exits(1).says("cannot be reached");
    assert!(server.is_healthy());
    server.run(&["content", "send-message", &room, "hello"]).success();
    assert_eq!(server.download(server.port, &on_disk), (200, "still here\n".to_owned()));
    server.run(&["config", "check"]).success().says("cannot reach the S3 media store");
    store.go_on();
    server.upload(&room, "again.txt", b"taken again\n").success();
    assert_eq!(store.objects(&server).len(), 4);

    // A worker that has the media keeps them in the same place.
    server.variable("MATRIX_SYNAPSE_PROFILE", "scale");
    server.run(&["manage", "restart", "--set", "workers.list=media=1"]).success();
    assert!(is_up(&server, "media-1", 0));
    let sent = server.upload(&room, "worker.txt", b"by a worker\n").success();
    assert_eq!(store.objects(&server).len(), 5);
    fs::remove_dir_all(server.data.join("media/local_content")).unwrap();
    let by_a_worker = (200, "by a worker\n".to_owned());
    assert_eq!(server.download(server.proxy[0], &uri(&sent)), by_a_worker);
    assert_eq!(server.download(server.proxy[0], &small_uri), (200, small));

    let mut found = Vec::new();
    holding(&server.data, SECRET, &mut found);
    assert_eq!(found, Vec::<String>::new());
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let file = process.path().join("cmdline");
        let words = fs::read(&file).unwrap_or_default();
        assert!(!holds(&words, SECRET) || holds(&words, "store.py"), "{}", file.display());
    }
    for words in [&["config", "show"][..], &["config", "render"], &["manage", "services", "-v"]] {
        let said = server.run(words).success();
        assert!(!said.to_string().contains(SECRET), "{said}");
    }
}
