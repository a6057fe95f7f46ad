//! Who has a file open.

use std::{fs, path::Path};

/// A process that has this file open: pid and program, as far as we may see it.
pub(crate) fn opened_by(file: &Path) -> Option<(u32, String)> {
    let file = fs::canonicalize(file).ok()?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pid = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(
        |pid: &u32| {
            let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            *pid != std::process::id()
                && open.into_iter().any(|it| fs::read_link(it.path()).is_ok_and(|it| it == file))
        },
    )?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some((pid, name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[tokio::test]
    async fn who_has_a_file_open_is_found_and_we_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = fs::File::create(&path).unwrap();
        assert_eq!(opened_by(&path), None);
        let mut other = crate::process::command("sleep");
        let mut other = other.arg("60").stdout(Stdio::from(file)).spawn().unwrap();
        let found = opened_by(&path).unwrap();
        assert_eq!(Some(found.0), other.id());
        other.kill().await.unwrap();
    }
}
