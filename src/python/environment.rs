//! Making an environment, and switching to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::{
    Error, Set,
    interpreter::{self, Interpreter},
    set::is_version,
};
use crate::{files, process};

/// Written last.
const COMPLETE: &str = ".complete";
pub(super) const UV: &str = "uv";
pub(super) const PIP: &str = "pip";

/// Variables that would send packages or imports somewhere else. Those that name mirrors stay.
const MISLEADING: [&str; 8] = [
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPATH",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "VIRTUAL_ENV",
];

/// A finished environment.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    root: PathBuf,
}

impl Environment {
    /// The environment that this link points to.
    pub(crate) fn at(link: PathBuf) -> Self {
        Self { root: link }
    }

    pub(crate) fn python(&self) -> PathBuf {
        self.program("python")
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.root.join("bin").join(name)
    }

    /// The name of the folder, or of the one that the link points to: it changes with all that is in it.
    pub(crate) fn identity(&self) -> Option<String> {
        let target = fs::read_link(&self.root).unwrap_or_else(|_| self.root.clone());
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The version of what it is about, as its folder is named: `synapse-1.163.2-0123abcd`.
    pub(crate) fn version(&self) -> Option<String> {
        let identity = self.identity()?;
        let (start, _hash) = identity.rsplit_once('-')?;
        Some(start.split_once('-')?.1.to_owned())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.root.join(COMPLETE).exists() && process::is_program(&self.python())
    }
}

/// What an install of a set would do. Making one changes nothing.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) set: Set,
    pub(super) interpreter: Interpreter,
    pub(super) uv: Option<PathBuf>,
    pub(super) wheels: Option<PathBuf>,
    pub(super) folder: PathBuf,
    link: PathBuf,
    log: PathBuf,
}

/// What is installed in one go.
struct List {
    path: PathBuf,
    text: String,
    /// Whether what its packages need is in it or there already; all of it is locked then.
    complete: bool,
    /// Whether some of them are built from sources, with what is there already.
    builds: bool,
}

/// Where an image of ours has environments, made there.
const BROUGHT: &str = "/opt/resource-matrix-synapse/environments";
const BROUGHT_BY: &str = "the image";

/// Finds the tools. The environment goes below `environments`, what the tools say into `log`; `wheels`
/// is a folder to install from instead of an index.
pub(crate) async fn plan(
    environments: &Path,
    log: &Path,
    set: Set,
    wheels: Option<&Path>,
) -> Result<Plan, Error> {
    is_version(&set.version)?;
    let wheels = match wheels {
        Some(folder) => {
            Some(folder.canonicalize().map_err(|_| Error::NoWheels(folder.to_owned()))?)
        }
        None => None,
    };
    let interpreter = interpreter::find().await?;
    let uv = interpreter::uv().await;
    if uv.is_none() && !interpreter.has_venv {
        let Interpreter { path, version, .. } = interpreter;
        return Err(Error::NoVenv { python: path, version });
    }
    let folder = environments.join(set.folder(&interpreter.version));
    let link = environments.join(set.name);
    Ok(Plan { set, interpreter, uv, wheels, folder, link, log: log.to_owned() })
}

impl Plan {
    /// The environment, where it is made, whichever is used.
    pub(crate) fn made(&self) -> Option<Environment> {
        let there = Environment { root: self.folder.clone() };
        (self.set.locked && there.is_complete()).then_some(there)
    }

    /// Whether what is in use is of this version at least, where nobody wrote down which packages that has: it was
    /// installed before locks were kept.
    pub(crate) fn is_as_it_was(&self) -> bool {
        let start = format!("{}-{}-", self.set.name, self.set.version);
        let linked = fs::read_link(&self.link).ok();
        let name = linked.as_deref().and_then(Path::file_name).map(|it| it.to_string_lossy());
        self.is_open()
            && self.set.more.is_empty()
            && name.is_some_and(|name| name.starts_with(&start))
            && Environment { root: self.link.clone() }.is_complete()
    }

    /// Whether exactly this environment is in use already. One that was made anew has a number behind
    /// the name of its folder.
    pub(crate) fn is_done(&self) -> bool {
        let behind = || {
            let linked = fs::read_link(&self.link).ok()?;
            Some(linked.to_str()?.strip_prefix(self.folder.file_name()?.to_str()?)?.to_owned())
        };
        behind().is_some_and(|it| it.is_empty() || it.starts_with('.'))
            && Environment { root: self.link.clone() }.is_complete()
    }

    /// The one that an image brings along, in its place: made where it is, it is not copied but linked.
    fn brought(&self) -> Option<Environment> {
        if self.folder.starts_with(BROUGHT) {
            return None;
        }
        // One with more than is wanted will do.
        let more = self.set.clone().with_s3().folder(&self.interpreter.version);
        let names = [self.folder.file_name()?.to_owned(), more.into()];
        let there = names.map(|name| Path::new(BROUGHT).join(name));
        let there = there.into_iter().find(|it| Environment { root: it.clone() }.is_complete())?;
        if !self.folder.exists() {
            files::private_folder(self.folder.parent()?).ok()?;
            files::remove(&self.folder).ok()?;
            std::os::unix::fs::symlink(&there, &self.folder).ok()?;
        }
        Some(Environment { root: self.folder.clone() })
    }

    /// What it is made with first: uv or pip.
    pub(crate) fn tool(&self) -> &'static str {
        if self.uv.is_some() { UV } else { PIP }
    }

    /// Makes the environment and switches to it. Gives the tool that did it.
    pub(crate) async fn apply(&self, anew: bool) -> Result<&'static str, Error> {
        let (environment, tool) = self.make(anew).await?;
        self.switch(&environment)?;
        Ok(tool)
    }

    /// Makes the environment where there is none that is complete, or `anew`. It gets a folder that is not there yet: in one of a killed
    /// run the tool may still be at work. Gives the tool that did it.
    pub(crate) async fn make(&self, anew: bool) -> Result<(Environment, &'static str), Error> {
        if let Some(brought) = self.brought().filter(|_| !anew) {
            return Ok((brought, BROUGHT_BY));
        }
        let numbered = (1_u32..).map(|n| PathBuf::from(format!("{}.{n}", self.folder.display())));
        let mut folders = std::iter::once(self.folder.clone()).chain(numbered);
        let is_complete = |folder: &PathBuf| Environment { root: folder.clone() }.is_complete();
        let is_there = |folder: &PathBuf| fs::symlink_metadata(folder).is_ok();
        let folder = folders
            .find(|folder| !is_there(folder) || (!anew && is_complete(folder)))
            .unwrap_or_else(|| self.folder.clone());
        let mut tool = self.tool();
        if !is_there(&folder) {
            let parent = folder.parent().unwrap_or(Path::new("/"));
            files::private_folder(parent)?;
            tool = self.fill(&folder).await?;
            files::write_atomically(&folder.join(COMPLETE), b"", files::PUBLIC)?;
        }
        Ok((Environment { root: folder }, tool))
    }

    /// Lets everybody use it from now on; until then the old one works.
    pub(crate) fn switch(&self, environment: &Environment) -> Result<(), Error> {
        Ok(files::link(&self.link, &environment.root)?)
    }

    async fn fill(&self, folder: &Path) -> Result<&'static str, Error> {
        let lists = self.lists(folder);
        for list in &lists {
            files::write_atomically(&list.path, list.text.as_bytes(), files::PUBLIC)?;
        }
        let filled = match &self.uv {
            // uv does not read pip's settings, so where an index is known only to pip, pip does it.
            Some(uv) => match self.with_uv(uv, folder, &lists).await {
                Err(error) if self.interpreter.has_venv && !error.is_full_disk() => {
                    files::remove(folder)?;
                    self.with_pip(folder, &lists).await.map(|()| PIP)
                }
                other => other.map(|()| UV),
            },
            None => self.with_pip(folder, &lists).await.map(|()| PIP),
        };
        for list in &lists {
            files::remove(&list.path)?;
        }
        let compiled = match &filled {
            Ok(_) => self.compile(folder).await,
            Err(_) => Ok(()),
        };
        if filled.is_err() || compiled.is_err() {
            files::remove(folder)?;
        }
        compiled.and(filled)
    }

    /// Writes the byte code of all that a server may import. The other half of an environment are tests, what installs
    /// packages, and what `phonenumbers` knows of places. What cannot be compiled would not be imported either.
    async fn compile(&self, folder: &Path) -> Result<(), Error> {
        const COMPILE: &str = "import compileall, re, sys\n\
            compileall.compile_dir(sys.argv[1], quiet=2, workers=0, rx=re.compile(sys.argv[2]))";
        const NEVER: &str = "site-packages/(.*/)?\
            (test|tests|pip|setuptools|geodata|carrierdata|tzdata|shortdata)/";
        let mut compile = process::bound(folder.join("bin/python"));
        compile.args(["-I", "-c", COMPILE]).arg(folder.join("lib")).arg(NEVER);
        self.run(&mut compile).await
    }

    /// What its makers have built comes first. What there is only as sources is then built with that: so
    /// what builds it is locked by its hash as well, and is had without a network.
    fn lists(&self, folder: &Path) -> Vec<List> {
        let list = |name: &str, text: String| List {
            path: PathBuf::from(format!("{}.{name}", folder.display())),
            text,
            complete: true,
            builds: false,
        };
        let built = self.set.without_sources().map(|text| list("built.txt", text));
        let own = list("txt", self.set.requirements.clone());
        let own = List { complete: false, builds: built.is_some(), ..own };
        let more = (1..).zip(&self.set.more);
        let more = more.map(|(number, text)| list(&format!("more-{number}.txt"), text.clone()));
        built.into_iter().chain([own]).chain(more).collect()
    }

    async fn with_uv(&self, uv: &Path, folder: &Path, lists: &[List]) -> Result<(), Error> {
        let mut venv = process::bound(uv);
        venv.args(["venv", "--no-project", "--python"]).arg(&self.interpreter.path);
        self.run(venv.arg(folder)).await?;
        for list in lists {
            let mut install = process::bound(uv);
            install.args(["pip", "install", "--no-progress", "--python"]);
            install.arg(folder.join("bin/python"));
            if self.wheels.is_some() {
                install.arg("--offline");
            }
            if list.builds {
                install.arg("--no-build-isolation");
            }
            self.packages(&mut install, list);
            self.run(&mut install).await?;
        }
        // uv lets everybody write it.
        Ok(files::remove(&folder.join(".lock"))?)
    }

    async fn with_pip(&self, folder: &Path, lists: &[List]) -> Result<(), Error> {
        let mut venv = process::bound(&self.interpreter.path);
        self.run(venv.args(["-m", "venv"]).arg(folder)).await?;
        for list in lists {
            let mut install = process::bound(folder.join("bin/python"));
            install.args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check"]);
            install.args(["--progress-bar", "off", "--no-compile"]);
            if list.builds {
                // Before 25.3 pip would ask for `wheel`, which setuptools does without.
                install.args(["--no-build-isolation", "--use-pep517"]);
            }
            self.packages(&mut install, list);
            self.run(&mut install).await?;
        }
        Ok(())
    }

    /// The arguments that uv and pip share. Only wheels, where there are any: nothing else is built, no code
    /// of a package runs.
    fn packages(&self, command: &mut Command, list: &List) {
        if list.complete {
            command.args(["--only-binary", ":all:", "--no-deps"]);
        } else {
            for package in self.set.built() {
                command.args(["--only-binary", package]);
            }
        }
        command.arg("--requirement").arg(&list.path);
        if list.complete || self.set.locked {
            command.arg("--require-hashes");
        }
        if let Some(wheels) = &self.wheels {
            command.args(["--no-index", "--find-links"]).arg(wheels);
        }
    }

    /// Runs a tool with its output in the log; a failure carries its last lines.
    pub(super) async fn run(&self, command: &mut Command) -> Result<(), Error> {
        for variable in MISLEADING {
            command.env_remove(variable);
        }
        match process::logged(command, &self.log).await {
            Err(process::Error::Failed { last_words, .. }) => {
                Err(Error::Install { set: self.set.name, last_words, log: self.log.clone() })
            }
            Err(process::Error::File(error)) => Err(error.into()),
            other => Ok(other?),
        }
    }

    /// Removes what other installs of this set left, finished or not; where something may `run` in those,
    /// only what was never finished.
    pub(crate) fn sweep(&self, run: bool) -> Result<(), Error> {
        let used = fs::read_link(&self.link).map_err(files::Error::io("read", &self.link))?;
        // The way back to the version before.
        let before = fs::read_link(previous(&self.link)).ok();
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        // A list of packages that was being written begins with a dot.
        let ours = ["{}-", "{}.new-", ".{}-"].map(|start| start.replace("{}", self.set.name));
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let of_set = ours.iter().any(|start| name.starts_with(start.as_str()));
            let may_run = run && entry.path().join(COMPLETE).exists();
            let is_kept = [Some(&used), before.as_ref()]
                .into_iter()
                .flatten()
                .any(|it| it.file_name() == Some(&entry.file_name()));
            if of_set && !may_run && !is_kept {
                // Where the tool of a killed run still writes, the next run gets rid of it.
                drop(files::remove(&entry.path()));
            }
        }
        Ok(())
    }
}

/// The link to the environment that was used before.
fn previous(link: &Path) -> PathBuf {
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    link.with_file_name(format!("previous-{name}"))
}

/// The environment that this link led to before it was switched, where that is still there.
pub(crate) fn before(link: &Path) -> Option<Environment> {
    let folder = fs::read_link(previous(link)).ok()?;
    let there = Environment { root: link.with_file_name(folder.file_name()?) };
    there.is_complete().then_some(there)
}

/// Lets everybody use the environment in that folder from now on; the one that is used now, or `back`, is
/// the way back.
pub(crate) fn switch(link: &Path, folder: &Path, back: Option<&Path>) -> Result<(), files::Error> {
    match back {
        Some(back) => files::link(&previous(link), back)?,
        None => files::remove(&previous(link))?,
    }
    files::link(link, folder)
}

/// Lends the environments of one homeserver to another one that does not stay: as far as they are what that
/// one wants, they need not be made again.
pub(crate) fn lend(from: &Path, to: &Path) -> Result<(), files::Error> {
    files::private_folder(to)?;
    for link in files::entries(from)? {
        let Ok(target) = fs::read_link(&link) else { continue };
        let (Some(name), Some(folder)) = (link.file_name(), target.file_name()) else { continue };
        let lent = to.join(folder);
        std::os::unix::fs::symlink(from.join(folder), &lent)
            .map_err(files::Error::io("make", &lent))?;
        files::link(&to.join(name), &lent)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of no packages.
    fn plan_of_nothing(folder: &Path, interpreter: Interpreter) -> Plan {
        Plan {
            set: Set {
                name: "nothing",
                version: "1".into(),
                requirements: String::new(),
                more: Vec::new(),
                locked: false,
            },
            interpreter,
            uv: process::find("false"),
            wheels: Some(folder.to_owned()),
            folder: folder.join("nothing-1"),
            link: folder.join("nothing"),
            log: folder.join("install.log"),
        }
    }

    #[tokio::test]
    async fn where_uv_fails_pip_does_it_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let interpreter = interpreter::find().await.unwrap();
        if !interpreter.has_venv {
            return;
        }
        let plan = plan_of_nothing(folder.path(), interpreter);
        assert_eq!(plan.tool(), "uv");
        assert_eq!(plan.apply(false).await.unwrap(), "pip");
        assert!(Environment::at(plan.link).is_complete());
    }

    #[tokio::test]
    async fn what_killed_runs_left_goes_away_and_nothing_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let plan = plan_of_nothing(folder.path(), interpreter::find().await.unwrap());
        let stays = ["nothing-1", "other-1", ".other-1.txt.7-00"];
        let goes = ["nothing-1.1", "nothing-1.1.txt", "nothing.new-7", ".nothing-1.1.txt.7-00"];
        for name in stays.iter().chain(&goes) {
            files::write_atomically(&at(name), b"", files::PUBLIC).unwrap();
        }
        files::link(&plan.link, &plan.folder).unwrap();
        plan.sweep(false).unwrap();
        assert!(stays.iter().all(|name| at(name).exists()));
        assert!(!goes.iter().any(|name| at(name).exists()));
    }
}
