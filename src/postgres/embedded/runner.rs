//! As whom the server runs. PostgreSQL refuses root, so a root caller enters a user namespace in which
//! he looks like an ordinary account: nothing changes hands, files stay root's. Where namespaces are
//! not allowed (most containers), an unprivileged account takes over the cluster's folder.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, lchown},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use super::{super::Error, cluster, socket_folder, text};
use crate::{data_dir::DataDir, files, process};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runner {
    /// An ordinary account: as itself.
    Caller,
    /// Root, looking like this uid: initdb wants one with a name.
    Namespace(u32),
    Account {
        uid: u32,
        gid: u32,
    },
}

impl Runner {
    /// The command that runs a program as this; it becomes that program, so its pid is the server's.
    pub(super) fn wrap(self, program: &Path, args: &[&str]) -> (PathBuf, Vec<String>) {
        let (wrapper, mut all) = match self {
            Self::Caller => {
                let args = args.iter().map(|arg| (*arg).to_owned()).collect();
                return (program.to_owned(), args);
            }
            Self::Namespace(uid) => (
                "unshare",
                vec!["--user".into(), format!("--map-user={uid}"), format!("--map-group={uid}")],
            ),
            Self::Account { uid, gid } => (
                "setpriv",
                vec![
                    format!("--reuid={uid}"),
                    format!("--regid={gid}"),
                    "--clear-groups".into(),
                    // A change of user clears what the parent asked for.
                    "--pdeathsig=INT".into(),
                ],
            ),
        };
        all.extend(["--".into(), text(program)]);
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        (process::find(wrapper).unwrap_or_else(|| wrapper.into()), all)
    }

    /// Gives a file or a whole folder to the account that has to read it, the top last, so that a
    /// killed run begins anew.
    pub(super) fn give(self, path: &Path) -> Result<(), Error> {
        let (uid, gid) = match self {
            Self::Account { uid, gid } => (uid, gid),
            Self::Namespace(_) => (0, 0),
            Self::Caller => return Ok(()),
        };
        let metadata = fs::symlink_metadata(path).map_err(files::Error::io("read", path))?;
        if metadata.is_dir() {
            for child in fs::read_dir(path).map_err(files::Error::io("read", path))? {
                self.give(&child.map_err(files::Error::io("read", path))?.path())?;
            }
        }
        if metadata.uid() != uid {
            lchown(path, Some(uid), Some(gid)).map_err(files::Error::io("give away", path))?;
        }
        Ok(())
    }

    async fn can_write(self, folder: &Path) -> bool {
        let (program, args) = self.wrap(Path::new("/usr/bin/test"), &["-w", &text(folder)]);
        process::tool(process::command(program).args(args)).await.is_ok()
    }
}

/// Finds somebody who may run the server, makes the cluster's and the socket's folder, and makes them his.
pub(super) async fn choose(data: &DataDir) -> Result<Runner, Error> {
    let folders = [data.postgres(), socket_folder(data)];
    files::private_folder(&data.sockets())?;
    let mut maker = fs::DirBuilder::new();
    for folder in &folders {
        maker
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(files::Error::io("make", folder))?;
    }
    if !geteuid().is_root() {
        return Ok(Runner::Caller);
    }
    let passwd = files::read_if_exists(Path::new("/etc/passwd"))?.unwrap_or_default();
    let account = |name: &str| accounts(&passwd).find(|account| account.name == name);
    let as_account = |account: Account<'_>| Runner::Account { uid: account.uid, gid: account.gid };
    let owner = fs::metadata(cluster(data)).map_or(0, |metadata| metadata.uid());
    let named = account("nobody").or_else(|| accounts(&passwd).find(|account| account.uid != 0));
    let candidates = [
        // Who has it keeps it.
        accounts(&passwd).find(|account| account.uid == owner && owner != 0).map(as_account),
        named.map(|account| Runner::Namespace(account.uid)),
        account("postgres").map(as_account),
        account("nobody").map(as_account),
    ];
    for runner in candidates.into_iter().flatten() {
        if matches!(runner, Runner::Account { .. }) {
            if blocked(data).is_some() {
                continue;
            }
            // He may pass through, and see nothing.
            for folder in [data.root(), &data.run(), &data.sockets(), &data.environments()] {
                if !folder.exists() {
                    continue;
                }
                fs::set_permissions(folder, fs::Permissions::from_mode(0o711))
                    .map_err(files::Error::io("open", folder))?;
            }
        } else if !runner.can_write(data.root()).await {
            continue;
        }
        folders.iter().try_for_each(|folder| runner.give(folder))?;
        if runner.can_write(&data.postgres()).await {
            return Ok(runner);
        }
    }
    Err(Error::Root { blocked: blocked(data).unwrap_or_else(|| data.root().to_owned()) })
}

/// The outermost folder above the data folder that other accounts may not pass through.
fn blocked(data: &DataDir) -> Option<PathBuf> {
    let closed = |folder: &&Path| {
        fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 == 0)
    };
    data.root().ancestors().skip(1).filter(closed).last().map(Path::to_owned)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

/// The accounts of a passwd(5) file.
fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let mut number = |skip| fields.nth(skip)?.parse().ok();
        Some(Account { name, uid: number(1)?, gid: number(0)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n+\npostgres:x:104:107::/var:/bin/sh\n";
        let found: Vec<_> = accounts(passwd).map(|account| (account.name, account.gid)).collect();
        assert_eq!(found, [("root", 0), ("postgres", 107)]);
    }

    #[test]
    fn an_account_is_put_on_with_all_that_belongs_to_it() {
        let runner = Runner::Account { uid: 104, gid: 107 };
        let (_, args) = runner.wrap(Path::new("/bin/postgres"), &["-D", "/data"]);
        assert_eq!(
            args.join(" "),
            "--reuid=104 --regid=107 --clear-groups --pdeathsig=INT -- /bin/postgres -D /data"
        );
    }
}
