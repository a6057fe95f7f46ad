//! The lists of sums in an archive, as `sha256sum` writes and reads them: a name is bytes, and a line whose name has
//! to be escaped begins with a backslash.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufRead as _, BufReader, Split},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use crate::files;

/// A list is not longer, in bytes: names without sums are in memory.
pub(super) const LARGEST: usize = 4 << 20;

/// A line of a list.
pub(super) fn line(sum: &str, name: &Path) -> Vec<u8> {
    let name = name.as_os_str().as_bytes();
    let is_escaped = name.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r'));
    let mut line = Vec::with_capacity(sum.len() + name.len() + 4);
    line.extend(is_escaped.then_some(b'\\'));
    line.extend_from_slice(sum.as_bytes());
    line.extend_from_slice(b"  ");
    for byte in name {
        match byte {
            b'\\' => line.extend_from_slice(br"\\"),
            b'\n' => line.extend_from_slice(br"\n"),
            b'\r' => line.extend_from_slice(br"\r"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}

/// The sum and the name in a line.
fn parsed(line: &[u8]) -> Option<(&[u8], OsString)> {
    let escaped = line.strip_prefix(br"\");
    let line = escaped.unwrap_or(line);
    let at = line.windows(2).position(|it| it == b"  ")?;
    let (sum, name) = (&line[..at], &line[at + 2..]);
    if escaped.is_none() {
        return Some((sum, OsString::from_vec(name.to_vec())));
    }
    let (mut plain, mut bytes) = (Vec::with_capacity(name.len()), name.iter());
    while let Some(byte) = bytes.next() {
        plain.push(match (byte, byte == &b'\\') {
            (byte, false) => *byte,
            (_, true) => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
        });
    }
    Some((sum, OsString::from_vec(plain)))
}

/// A list that is read line by line.
pub(crate) struct Listed {
    path: PathBuf,
    lines: Split<BufReader<File>>,
}

impl Listed {
    pub(crate) fn open(path: &Path) -> Result<Self, files::Error> {
        let file = File::open(path).map_err(files::Error::io("read", path))?;
        Ok(Self { path: path.to_owned(), lines: BufReader::new(file).split(b'\n') })
    }
}

impl Iterator for Listed {
    /// The name and its sum.
    type Item = Result<(PathBuf, String), files::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?.map_err(files::Error::io("read", &self.path));
        let cut = || io::Error::from(io::ErrorKind::InvalidData);
        Some(line.and_then(|line| {
            let (sum, name) =
                parsed(&line).ok_or_else(|| files::Error::io("read", &self.path)(cut()))?;
            Ok((name.into(), String::from_utf8_lossy(sum).into_owned()))
        }))
    }
}

/// A name as it may stand in a message.
pub(super) fn shown(name: impl AsRef<OsStr>) -> String {
    let name = name.as_ref().to_string_lossy();
    let plain =
        |it: char| if it.is_control() { it.escape_default().collect() } else { it.to_string() };
    name.chars().map(plain).collect()
}

/// Entries that were read and whose sums are still to come.
#[derive(Default)]
pub(super) struct Unsummed {
    sums: BTreeMap<OsString, String>,
    /// In the order in which they came.
    names: Vec<OsString>,
    /// How long all of it is.
    bytes: usize,
}

impl Unsummed {
    pub(super) fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// The error says what is wrong with the archive, as all do here.
    pub(super) fn add(&mut self, name: &Path, sum: String) -> Result<(), String> {
        let name = name.as_os_str().to_owned();
        self.bytes += name.len() + sum.len();
        if self.bytes > LARGEST {
            return Err(format!("`{}` has no sum", shown(&name)));
        }
        if self.sums.insert(name.clone(), sum).is_some() {
            return Err(format!("`{}` is in it twice", shown(&name)));
        }
        self.names.push(name);
        Ok(())
    }

    /// Compares all with their list.
    pub(super) fn compare(&mut self, list: &[u8]) -> Result<(), String> {
        if list != self.as_before().as_bytes() {
            let list = list.strip_suffix(b"\n").unwrap_or(list);
            for line in list.split(|byte| *byte == b'\n') {
                let (sum, name) = parsed(line).unwrap_or_default();
                match self.sums.remove(&name) {
                    Some(found) if found.as_bytes() == sum => {}
                    Some(_) => return Err(format!("`{}` is not what it was", shown(name))),
                    None => return Err(format!("`{}` is missing", shown(name))),
                }
            }
            if let Some(name) = self.sums.keys().next() {
                return Err(format!("`{}` has no sum", shown(name)));
            }
        }
        *self = Self::default();
        Ok(())
    }

    /// The list as it was once written: a name was text, and nothing in it was escaped.
    fn as_before(&self) -> String {
        let lines = self.names.iter().map(|name| {
            let sum = self.sums.get(name).map(String::as_str).unwrap_or_default();
            format!("{sum}  {}\n", name.to_string_lossy())
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::process;

    const NAMES: [&[u8]; 6] =
        [b"plain", b"two\nlines", b"back\\slash", b"car\rriage", b"\xff.pem", b"\xfe.pem"];

    fn path(name: &[u8]) -> &Path {
        Path::new(OsStr::from_bytes(name))
    }

    fn all() -> Unsummed {
        let mut all = Unsummed::default();
        for (number, name) in NAMES.iter().enumerate() {
            all.add(path(name), format!("{number:064}")).unwrap();
        }
        all
    }

    #[test]
    fn every_name_that_a_file_can_have_is_read_as_it_was_written() {
        let mut list = Vec::new();
        for (number, name) in NAMES.iter().enumerate() {
            let line = line(&format!("{number:064}"), path(name));
            assert!(!line[..line.len() - 1].contains(&b'\n'));
            list.extend(line);
        }
        let mut read = all();
        read.compare(&list).unwrap();
        assert!(read.is_empty());
        let said = |list: &[u8]| all().compare(list).unwrap_err();
        let short = list.len() - line(&"0".repeat(64), path(NAMES[5])).len();
        assert_eq!(said(&list[..short]), "`\u{fffd}.pem` has no sum");
        list[0] ^= 1;
        assert_eq!(said(&list), "`plain` is not what it was");
        list[1 + 64 + 2] ^= 1;
        assert!(said(&list).ends_with("is missing"));
    }

    #[test]
    fn lists_of_before_are_read() {
        let old: String = NAMES
            .iter()
            .enumerate()
            .map(|(number, name)| format!("{number:064}  {}\n", String::from_utf8_lossy(name)))
            .collect();
        all().compare(old.as_bytes()).unwrap();
        assert!(all().compare(old.replacen('0', "1", 1).as_bytes()).is_err());
    }

    #[tokio::test]
    async fn sha256sum_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut list = Vec::new();
        // Older ones do not know of `\r`.
        for name in NAMES.iter().filter(|name| !name.contains(&b'\r')) {
            files::write_atomically(&folder.path().join(path(name)), name, files::PRIVATE).unwrap();
            list.extend(line(&HEXLOWER.encode(&Sha256::digest(name)), path(name)));
        }
        let sums = folder.path().join("sums");
        files::write_atomically(&sums, &list, files::PRIVATE).unwrap();
        let mut command = process::command("sha256sum");
        let checked = command.args(["--check", "--strict", "sums"]).current_dir(folder.path());
        let checked = checked.output().await.unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }

    #[test]
    fn what_is_shown_moves_no_cursor() {
        assert_eq!(shown("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
    }
}
