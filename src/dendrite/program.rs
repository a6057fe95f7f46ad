//! The program: a copy of the operator's, or what `go install` builds, in a folder of its own below `environments`. A
//! link leads to the one in use, and it is made last: an install that is killed leaves the old one working.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::Error;
use crate::{config::Config, data_dir::DataDir, files, process, synapse::version::is_before};

/// The last release below the Apache licence: later ones are elsewhere, below the AGPL.
pub(crate) const VERSION: &str = "0.13.8";
const MODULE: &str = "github.com/matrix-org/dendrite/cmd/dendrite";
/// The first whose settings have the form that is rendered here.
const FIRST: &str = "0.11.0";
/// What Go downloads and makes on the way, in bytes, and what stays of it.
const TO_BUILD: u64 = 1400 << 20;
const SIZE: u64 = 64 << 20;
/// How long it may take to say its version, and how much it may say, in bytes.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: u64 = 1 << 10;

/// The program in use, at the end of the link.
pub(crate) fn program(data: &DataDir) -> PathBuf {
    let link = data.dendrite_environment();
    // What runs comes back in the version that it was, also when another one is installed.
    let folder = fs::read_link(&link).map(|to| data.environments().join(to));
    folder.unwrap_or(link).join("dendrite")
}

/// What an install would bring.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) version: String,
    /// The operator's own; without one it is built.
    given: Option<PathBuf>,
    folder: PathBuf,
    link: PathBuf,
    log: PathBuf,
    cache: PathBuf,
}

/// Looks at what is wanted and what is there; changes nothing. The database was used by the version `before`.
pub(crate) async fn plan(config: &Config, before: Option<String>) -> Result<Plan, Error> {
    let data = &config.data;
    let given = config.dendrite.binary.clone();
    let (version, origin) = match &given {
        Some(path) => (version_of(path).await?, identity(path)?),
        None => (VERSION.to_owned(), "built".to_owned()),
    };
    if let Some(before) = before.filter(|before| is_before(&version, before)) {
        return Err(Error::Earlier { path: given, before, version });
    }
    let plan = Plan {
        folder: data.environments().join(format!("dendrite-{version}-{origin}")),
        link: data.dendrite_environment(),
        log: data.logs().join("install.log"),
        cache: data.cache().join("go"),
        version,
        given,
    };
    if plan.given.is_none() && !plan.is_done() && process::find("go").is_none() {
        return Err(Error::NoGo);
    }
    Ok(plan)
}

/// Tells one file from another, and from itself after it was written anew.
fn identity(path: &Path) -> Result<String, Error> {
    let file = fs::metadata(path).map_err(files::Error::io("read", path))?;
    let known = format!("{} {} {}.{}", path.display(), file.len(), file.mtime(), file.mtime_nsec());
    Ok(HEXLOWER.encode(&Sha256::digest(known)[..6]))
}

/// Asks a program for its version: `0.13.8`, or `0.13.8+a1b2c3d` of one that was built from a checkout.
async fn version_of(path: &Path) -> Result<String, Error> {
    if !process::is_program(path) {
        return Err(Error::NoProgram(path.to_owned()));
    }
    let path = path.to_owned();
    // Without one of these a shell would take it for a script.
    let mut start = Vec::new();
    let file = fs::File::open(&path).map_err(files::Error::io("read", &path))?;
    file.take(4).read_to_end(&mut start).map_err(files::Error::io("read", &path))?;
    if start != *b"\x7fELF" && !start.starts_with(b"#!") {
        return Err(Error::NoProgram(path));
    }
    let mut command = process::bound(&path);
    let said = match process::said(command.arg("-version"), LONGEST, PATIENCE).await {
        Ok(Some(said)) => said,
        Ok(None) => return Err(Error::Slow { path, seconds: PATIENCE.as_secs() }),
        Err(source) => return Err(Error::Silent { path, source }),
    };
    let Some(version) = read(&said) else {
        let said = said.lines().next().unwrap_or_default().chars().take(80).collect();
        return Err(Error::OtherProgram { path, said });
    };
    if is_before(&version, FIRST) {
        return Err(Error::TooOld { path, version });
    }
    Ok(version)
}

/// The version in what it says: three numbers and nothing else but the commit.
fn read(said: &str) -> Option<String> {
    let version = said.trim().split('+').next()?;
    let numbers: Vec<&str> = version.split('.').collect();
    let is_number = |text: &&str| text.parse::<u32>().is_ok();
    (numbers.len() == 3 && numbers.iter().all(is_number)).then(|| version.to_owned())
}

impl Plan {
    pub(crate) fn is_done(&self) -> bool {
        let links = fs::read_link(&self.link).ok();
        links.as_deref().and_then(Path::file_name) == self.folder.file_name()
            && process::is_program(&self.folder.join("dendrite"))
    }

    /// What it does, as a person reads it.
    pub(crate) fn step(&self) -> String {
        let version = &self.version;
        match &self.given {
            Some(path) => format!("install Dendrite {version} from {}", path.display()),
            None => format!("build Dendrite {version} with Go"),
        }
    }

    /// The bytes that it takes while it is done.
    pub(crate) fn space(&self) -> u64 {
        if self.given.is_some() { SIZE } else { SIZE + TO_BUILD }
    }

    /// What should be known although it is good.
    pub(crate) fn warning(&self) -> Option<String> {
        let differs = self.version != VERSION;
        differs.then(|| {
            format!("this program was tried with Dendrite {VERSION}, and this is {}", self.version)
        })
    }

    /// Makes it, and lets everybody use it.
    pub(crate) async fn apply(&self) -> Result<(), Error> {
        let new = self.folder.with_extension("new");
        files::remove(&new)?;
        files::private_folder(&new)?;
        match &self.given {
            Some(path) => copy(path, &new.join("dendrite"))?,
            None => self.build(&new).await?,
        }
        files::remove(&self.folder)?;
        fs::rename(&new, &self.folder).map_err(files::Error::io("rename", &new))?;
        files::link(&self.link, &self.folder)?;
        Ok(())
    }

    async fn build(&self, folder: &Path) -> Result<(), Error> {
        let go = process::find("go").ok_or(Error::NoGo)?;
        files::private_folder(&self.cache)?;
        let mut command = process::bound(go);
        command
            .arg("install")
            // What it downloads can be removed again; and the paths of this machine do not get into the program.
            .args(["-modcacherw", "-trimpath", "-ldflags=-s -w"])
            .arg(format!("{MODULE}@v{VERSION}"))
            .current_dir(folder)
            .env("GOBIN", folder)
            .env("GOPATH", self.cache.join("path"))
            .env("GOCACHE", self.cache.join("build"))
            // Without C there is no SQLite, and nobody needs a compiler for it.
            .env("CGO_ENABLED", "0")
            .env_remove("GOOS")
            .env_remove("GOARCH");
        let built = process::logged(&mut command, &self.log).await;
        drop(files::remove(&self.cache));
        match built {
            Err(process::Error::Failed { last_words, .. }) => {
                Err(Error::NotBuilt { last_words, log: self.log.clone() })
            }
            other => Ok(other?),
        }
    }

    /// Removes what other installs left; where something may `run` in those, nothing.
    pub(crate) fn sweep(&self, run: bool) -> Result<(), Error> {
        drop(files::remove(&self.cache));
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        for entry in files::entries(parent)? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("dendrite-") && entry != self.folder && !run {
                files::remove(&entry)?;
            }
        }
        Ok(())
    }
}

/// A copy that anybody who may read the folder can run.
fn copy(from: &Path, to: &Path) -> Result<(), files::Error> {
    fs::copy(from, to).map_err(files::Error::io("copy", from))?;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(to, mode).map_err(files::Error::io("open", to))?;
    files::settle(to.parent().unwrap_or(to))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_version_is_three_numbers_and_perhaps_a_commit() {
        assert_eq!(read("0.13.8\n").as_deref(), Some("0.13.8"));
        assert_eq!(read("0.14.1+ab12cd3").as_deref(), Some("0.14.1"));
        for said in ["", "curl 7.88.1 (x86_64)", "1.2", "0.13.x", "0.13.8.1"] {
            assert_eq!(read(said), None, "{said}");
        }
    }
}
