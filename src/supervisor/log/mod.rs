//! What the processes say, kept in files that together never grow beyond their limit.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{io::AsyncReadExt as _, net::unix::pipe};

use crate::{clock, files, secret::MASK};

pub(crate) mod read;

/// Longer lines are cut into several.
const LONGEST_LINE: usize = 8 * 1024;
/// What stands before a token in the address of a request, which servers quote where one fails.
const TOKEN: &str = "access_token=";
/// How many last lines are remembered for the report of a failure.
const LAST_WORDS: usize = 20;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The size in bytes at which a file is rotated.
    pub(crate) size: u64,
    /// How many old ones are kept: `x.log.1` is the newest.
    pub(crate) files: u32,
}

/// Shows a line elsewhere as it is written: the service, the time, what it says. It must not wait.
pub(crate) type Echo = Arc<dyn Fn(&str, &str, &str) + Send + Sync>;

/// A log file that is rotated when it is full. It never fails: what cannot be written is counted.
pub(crate) struct LogFile {
    service: String,
    echo: Option<Echo>,
    path: PathBuf,
    limits: Limits,
    file: Option<File>,
    size: u64,
    dropped: u64,
    last_words: VecDeque<String>,
}

/// `<path>.<number>`: the file after so many rotations.
pub(crate) fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

impl LogFile {
    /// `<service>.log` in that folder.
    pub(crate) fn new(folder: &Path, service: &str, limits: Limits, echo: Option<Echo>) -> Self {
        let path = folder.join(format!("{service}.log"));
        let limits =
            Limits { size: limits.size.max(16 * LONGEST_LINE as u64), files: limits.files };
        // The limit may have been lowered since the last time.
        let mut old = limits.files + 1;
        while fs::remove_file(rotated(&path, old)).is_ok() {
            old += 1;
        }
        Self {
            service: service.to_owned(),
            echo,
            path,
            limits,
            file: None,
            size: 0,
            dropped: 0,
            last_words: VecDeque::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn last_words(&self) -> Vec<String> {
        self.last_words.iter().cloned().collect()
    }

    /// Starts the last words anew.
    pub(crate) fn forget(&mut self) {
        self.last_words.clear();
    }

    /// Writes lines, each with the time before it.
    pub(crate) fn lines<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>) {
        let now = clock::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let mut page = String::new();
        let mut count = 0;
        for line in lines {
            // Escape sequences could do things to the terminal that shows this log.
            let text: String = String::from_utf8_lossy(line)
                .chars()
                .filter(|c| !c.is_control() || *c == '\t')
                .collect();
            let text = without_tokens(text);
            if let Some(echo) = &self.echo {
                echo(&self.service, &now, &text);
            }
            page.push_str(&now);
            page.push(' ');
            page.push_str(&text);
            page.push('\n');
            count += 1;
            if self.last_words.len() == LAST_WORDS {
                self.last_words.pop_front();
            }
            self.last_words.push_back(text);
        }
        if count > 0 && self.dropped > 0 {
            page.insert_str(
                0,
                &format!(
                    "{now} [{} lines are missing here: they could not be written]\n",
                    self.dropped
                ),
            );
        }
        match self.append(page.as_bytes()) {
            Ok(()) => self.dropped = 0,
            Err(error) => {
                if self.dropped == 0 {
                    let path = self.path.display();
                    tracing::warn!("`{path}` cannot be written, its lines are dropped: {error}");
                }
                self.dropped += count;
                self.file = None;
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        if self.size > 0 && self.size + bytes.len() as u64 > self.limits.size {
            drop(file);
            self.rotate()?;
            file = self.open()?;
        }
        if let Err(error) = file.write_all(bytes) {
            // A disk that is full may have taken a part of it.
            drop(file.set_len(self.size));
            return Err(error);
        }
        self.size += bytes.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn open(&mut self) -> io::Result<File> {
        let file = files::append(&self.path)?;
        self.size = file.metadata()?.len();
        Ok(file)
    }

    fn rotate(&self) -> io::Result<()> {
        for number in (1..self.limits.files).rev() {
            drop(fs::rename(rotated(&self.path, number), rotated(&self.path, number + 1)));
        }
        if self.limits.files == 0 {
            return fs::remove_file(&self.path);
        }
        fs::rename(&self.path, rotated(&self.path, 1))
    }
}

/// Hides the tokens of addresses: a log is read by more people than may act with them.
fn without_tokens(text: String) -> String {
    if !text.contains(TOKEN) {
        return text;
    }
    let ends = |c: char| c.is_whitespace() || "&\"'#;,<>)".contains(c);
    let mut parts = text.split(TOKEN);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.find(ends).map_or("", |end| &part[end..]);
        shown.push_str(TOKEN);
        shown.push_str(MASK);
        shown.push_str(rest);
    }
    shown
}

/// A log that a task writes and the loop reads.
pub(crate) type Shared = Arc<Mutex<LogFile>>;

pub(crate) fn shared(log: LogFile) -> Shared {
    Arc::new(Mutex::new(log))
}

/// Keeps what comes out of a pipe until its last writer is gone.
pub(crate) async fn capture(mut pipe: pipe::Receiver, log: Shared) {
    let mut held: Vec<u8> = Vec::with_capacity(LONGEST_LINE);
    loop {
        let end = matches!(pipe.read_buf(&mut held).await, Ok(0) | Err(_));
        let whole = match held.iter().rposition(|byte| *byte == b'\n') {
            Some(at) if !end => at + 1,
            _ if end || held.len() >= LONGEST_LINE => held.len(),
            _ => continue,
        };
        let lines = held[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        log.lock().unwrap_or_else(PoisonError::into_inner).lines(lines);
        held.drain(..whole);
        if end {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { size: 1 << 20, files: 1 };

    fn total(folder: &Path) -> u64 {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }

    #[test]
    fn a_flood_never_takes_more_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { size: 200_000, files: 2 };
        let mut log = LogFile::new(folder.path(), "x", limits, None);
        let line = [b'x'; 1000];
        for _ in 0..500 {
            log.lines(std::iter::repeat_n(line.as_slice(), 8));
            assert!(total(folder.path()) <= 3 * 200_000);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert_eq!(log.last_words().len(), LAST_WORDS);
    }

    #[tokio::test]
    async fn a_process_that_floods_never_takes_more_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { size: 200_000, files: 1 };
        let log = shared(LogFile::new(folder.path(), "x", limits, None));
        let (reader, writer) = io::pipe().unwrap();
        let mut command = crate::process::command("sh");
        command.args(["-c", "yes 'a line of a service that never stops' | head -c 5000000"]);
        let mut child = command.stdout(writer).spawn().unwrap();
        drop(command);
        let pipe = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        let mut captured = tokio::spawn(capture(pipe, log));
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(1));
        loop {
            tokio::select! {
                over = &mut captured => break over.unwrap(),
                _ = looks.tick() => assert!(total(folder.path()) <= 2 * 200_000),
            }
        }
        assert!(child.wait().await.unwrap().success());
        assert!((100_000..=400_000).contains(&total(folder.path())));
        let text = fs::read_to_string(folder.path().join("x.log")).unwrap();
        let whole = |line: &str| line.ends_with(" a line of a service that never stops");
        assert!(text.lines().rev().skip(1).all(whole), "a line was cut");
    }

    #[test]
    fn a_log_that_cannot_be_written_counts_what_it_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/x.log");
        let mut log = LogFile::new(path.parent().unwrap(), "x", LIMITS, None);
        log.lines([b"lost".as_slice(), b"lost too"].into_iter());
        fs::create_dir(path.parent().unwrap()).unwrap();
        log.lines([b"found".as_slice()].into_iter());
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("[2 lines are missing here"), "{text}");
        assert!(text.ends_with(" found\n"), "{text}");
    }

    #[test]
    fn a_token_in_an_address_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&shown);
        let echo: Echo = Arc::new(move |_, _, line| lines.lock().unwrap().push(line.to_owned()));
        let mut log = LogFile::new(folder.path(), "x", LIMITS, Some(echo));
        let line = "connect() failed, request: \"GET /sync?access_token=syt_a_b&timeout=0 HTTP/1.1\", \
                    upstream: \"http://127.0.0.1/sync?timeout=0&access_token=syt_a_b\"";
        log.lines([line.as_bytes()].into_iter());
        let kept = line.replace("syt_a_b", "*****");
        assert!(fs::read_to_string(log.path()).unwrap().ends_with(&format!(" {kept}\n")));
        assert_eq!(log.last_words(), [kept.as_str()]);
        assert_eq!(*shown.lock().unwrap(), [kept]);
    }

    #[test]
    fn a_pipe_in_its_place_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, 0o600.into(), 0).unwrap();
        let mut log = LogFile::new(folder.path(), "x", LIMITS, None);
        log.lines([b"lost".as_slice()].into_iter());
        fs::remove_file(&path).unwrap();
        log.lines([b"found".as_slice()].into_iter());
        assert!(fs::read_to_string(path).unwrap().contains("[1 lines are missing here"));
    }

    #[tokio::test]
    async fn lines_come_through_a_pipe_without_their_escape_sequences() {
        let folder = tempfile::tempdir().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"one\n\x1b[31mtwo\n\nthree").unwrap();
        drop(writer);
        let pipe = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&shown);
        let echo: Echo = Arc::new(move |service, _, line| {
            lines.lock().unwrap().push(format!("{service}: {line}"));
        });
        let log = shared(LogFile::new(folder.path(), "x", LIMITS, Some(echo)));
        capture(pipe, Arc::clone(&log)).await;
        assert_eq!(*shown.lock().unwrap(), ["x: one", "x: [31mtwo", "x: three"]);
        assert_eq!(log.lock().unwrap().last_words(), ["one", "[31mtwo", "three"]);
    }
}
