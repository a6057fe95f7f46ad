//! One part of a path: whatever a person typed reaches the server as those same letters. ruma leaves
//! `%` as it is, so `#%78` would name the alias `#x`.

use std::fmt;

/// A path parameter of an endpoint of ours. It hides `%` from the server's decoding; ruma sees to the
/// rest.
#[derive(Clone, Debug)]
pub(crate) struct Segment<T>(T);

impl<T> From<T> for Segment<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: fmt::Display> fmt::Display for Segment<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string().replace('%', "%25"))
    }
}

/// The same for a path that is written by hand. `.` and `..` stand for themselves: no escape keeps
/// them from being steps in a path, so whoever takes such a text from a person refuses them.
pub(crate) fn escaped(text: impl fmt::Display) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!:".contains(&byte);
    let text = text.to_string().into_bytes().into_iter();
    text.map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn an_id_stays_one_part_of_a_path() {
        assert_eq!(escaped("!a?b#c%:x.org"), "!a%3Fb%23c%25:x.org");
        assert_eq!(escaped("@a/b:x.org"), "%40a%2Fb:x.org");
        assert_eq!(escaped("a\\%2e"), "a%5C%252e");
        assert_eq!(Segment::from("%41").to_string(), "%2541");
    }

    /// Each line of the code below a folder that holds `word`, with the line after it.
    fn lines_with(folder: &Path, word: &str, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                lines_with(&path, word, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2).filter(|pair| pair[0].contains(word)) {
                found.push((path.display().to_string(), pair[1].trim().to_owned()));
            }
        }
    }

    #[test]
    fn every_path_parameter_of_an_endpoint_is_a_segment() {
        let matrix = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/matrix"));
        let mut found = Vec::new();
        for folder in ["admin", "api"] {
            lines_with(&matrix.join(folder), "#[ruma_api(path)]", &mut found);
        }
        assert!(found.len() > 10, "{found:?}");
        found.retain(|(_, field)| !field.contains(": Segment<"));
        assert!(found.is_empty(), "{found:#?}");
    }

    #[test]
    fn only_execute_sends_what_has_no_type() {
        let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        let mut found = Vec::new();
        lines_with(source, "client.raw(", &mut found);
        found.retain(|(path, _)| {
            !path.ends_with("segment.rs") && !path.ends_with("client_tests.rs")
        });
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].0.ends_with("/execute.rs"), "{found:#?}");
    }
}
