//! Hydrogen, Element's light client, built with npm and vite from the small page in
//! `templates/hydrogen`. Its packages have exact versions and hashes there, and no code of theirs runs
//! while they are installed. It is built in a folder of its own and then takes the place of the old
//! one at once.

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{Error, INDEX};
use crate::{data_dir::DataDir, files, process};

/// What npm's packages and the result take for a while, in bytes.
pub(crate) const SPACE: u64 = 100 << 20;

/// What it is built from.
const SOURCES: [(&str, &str); 5] = [
    ("index.html", include_str!("../../templates/hydrogen/index.html")),
    ("main.js", include_str!("../../templates/hydrogen/main.js")),
    ("vite.config.js", include_str!("../../templates/hydrogen/vite.config.js")),
    ("package.json", include_str!("../../templates/hydrogen/package.json")),
    ("package-lock.json", include_str!("../../templates/hydrogen/package-lock.json")),
];

/// The oldest Node.js that vite runs on.
const OLDEST: u32 = 18;

/// Leads to the one in use.
pub(super) fn link(data: &DataDir) -> PathBuf {
    data.web().join("hydrogen")
}

/// What a build would do. Making one changes nothing.
#[derive(Debug)]
pub(crate) struct Plan {
    node: PathBuf,
    npm: PathBuf,
    data: DataDir,
    /// Npm's cache has to be enough.
    offline: bool,
}

/// Finds the tools; none where exactly this is built already, and not wanted `anew`.
pub(crate) async fn plan(data: &DataDir, offline: bool, anew: bool) -> Result<Option<Plan>, Error> {
    if !anew && is_done(data) {
        return Ok(None);
    }
    let find = |name| process::find(name).ok_or(Error::Missing(name));
    let (node, npm) = (find("node")?, find("npm")?);
    let version = process::tool(process::command(&node).arg("--version")).await?;
    let major = version.trim().trim_start_matches('v').split('.').next();
    if major.and_then(|it| it.parse::<u32>().ok()).is_none_or(|major| major < OLDEST) {
        return Err(Error::OldNode(version.trim().to_owned()));
    }
    Ok(Some(Plan { node, npm, data: data.clone(), offline }))
}

/// The name of the folder: it changes with all that is in it.
fn name() -> String {
    let mut hash = Sha256::new();
    for (file, content) in SOURCES {
        hash.update(format!("{file} {}\n{content}", content.len()));
    }
    let hash = HEXLOWER.encode(&hash.finalize()[..6]);
    format!("hydrogen-{hash}")
}

/// Whether this one is in use. One that was made anew has a number behind its name.
fn is_done(data: &DataDir) -> bool {
    let target = fs::read_link(link(data)).unwrap_or_default();
    let behind = target.to_str().and_then(|target| target.strip_prefix(&name()));
    behind.is_some_and(|it| it.is_empty() || it.starts_with('.')) && link(data).join(INDEX).exists()
}

impl Plan {
    /// Builds it and switches the link to it; until then the old one is served, and pages that are open
    /// find its files until the next build. What a run left that was killed goes away.
    pub(crate) async fn apply(&self, anew: bool) -> Result<(), Error> {
        let web = self.data.web();
        files::private_folder(&web)?;
        let numbered = (1_u32..).map(|n| web.join(format!("{}.{n}", name())));
        let mut folders = std::iter::once(web.join(name())).chain(numbered);
        let is_there = |folder: &PathBuf| fs::symlink_metadata(folder).is_ok();
        let free = folders.find(|folder| !is_there(folder) || !anew);
        let folder = free.unwrap_or_else(|| web.join(name()));
        if !is_there(&folder) {
            self.sweep(".build-");
            self.sweep("hydrogen-");
            let work = web.join(format!(".build-{}", std::process::id()));
            files::private_folder(&work)?;
            let built = self.build(&work).await;
            let moved = built.and_then(|result| {
                fs::rename(result, &folder).map_err(files::Error::io("make", &folder))?;
                Ok(())
            });
            drop(files::remove(&work));
            moved?;
        }
        Ok(files::link(&link(&self.data), &folder)?)
    }

    async fn build(&self, work: &Path) -> Result<PathBuf, Error> {
        for (file, content) in SOURCES {
            files::write_atomically(&work.join(file), content.as_bytes(), files::PUBLIC)?;
        }
        let mut npm = process::command(&self.npm);
        npm.args(["ci", "--ignore-scripts", "--include=dev", "--include=optional"]);
        npm.args(["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]);
        if self.offline {
            npm.arg("--offline");
        }
        self.run(&mut npm, work).await?;
        let mut vite = process::command(&self.node);
        vite.args(["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"]);
        self.run(&mut vite, work).await?;
        let result = work.join("dist");
        if result.join(INDEX).exists() {
            Ok(result)
        } else {
            Err(self.failed("vite has made no index.html".to_owned()))
        }
    }

    async fn run(&self, command: &mut tokio::process::Command, work: &Path) -> Result<(), Error> {
        command.current_dir(work).env_remove("NODE_ENV").env_remove("NODE_OPTIONS");
        match process::logged(command, &self.log()).await {
            Err(process::Error::Failed { last_words, .. }) => Err(self.failed(last_words)),
            other => Ok(other?),
        }
    }

    fn log(&self) -> PathBuf {
        self.data.logs().join("install.log")
    }

    fn failed(&self, last_words: String) -> Error {
        Error::Build { last_words, log: self.log(), offline: self.offline }
    }

    fn sweep(&self, start: &str) {
        let used = fs::read_link(link(&self.data)).unwrap_or_default();
        for entry in fs::read_dir(self.data.web()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(start) && used.file_name() != Some(&name) {
                // Where npm of a killed run still writes, the next run gets rid of it.
                drop(files::remove(&entry.path()));
            }
        }
    }
}
