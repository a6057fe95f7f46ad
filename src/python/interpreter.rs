//! The Python on this machine, and the tool that fills environments.

use std::path::{Path, PathBuf};

use super::Error;
use crate::process;

/// The oldest Python that Synapse runs on.
const OLDEST: (u32, u32) = (3, 10);

/// One Python that Synapse runs on.
#[derive(Clone, Debug)]
pub(super) struct Interpreter {
    pub(super) path: PathBuf,
    /// Major and minor, as `3.11`.
    pub(super) version: String,
    /// Whether it can make environments by itself.
    pub(super) has_venv: bool,
}

/// Its version, whether it has what venv needs, and where it really is (not a shim).
const ASK: &str = "
import sys
from importlib.util import find_spec
have = all(find_spec(m) is not None for m in ('venv', 'ensurepip'))
print(*sys.version_info[:2], int(have), sys.executable)
";

/// The first on PATH that is new enough, the plain name first.
pub(super) async fn find() -> Result<Interpreter, Error> {
    let mut names = vec!["python3".to_owned()];
    names.extend((OLDEST.1..=15).rev().map(|minor| format!("python3.{minor}")));
    let mut too_old = None;
    for name in names {
        let Some(path) = process::find(&name) else { continue };
        match ask(&path).await {
            Some((version, _)) if version < OLDEST => {
                too_old.get_or_insert(format!("{}.{}", version.0, version.1));
            }
            Some((_, interpreter)) => return Ok(interpreter),
            None => {}
        }
    }
    Err(Error::NoPython(too_old))
}

/// Where that one is, for a script of ours that needs no packages.
pub(crate) async fn path() -> Result<PathBuf, Error> {
    Ok(find().await?.path)
}

async fn ask(path: &Path) -> Option<((u32, u32), Interpreter)> {
    // Nothing of the caller's own packages is looked at.
    let answer = process::tool(process::command(path).args(["-I", "-c", ASK])).await.ok()?;
    let mut words = answer.trim().splitn(4, ' ');
    let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let has_venv = words.next()? == "1";
    let path = PathBuf::from(words.next()?);
    let text = format!("{}.{}", version.0, version.1);
    Some((version, Interpreter { path, version: text, has_venv }))
}

/// uv, where it is on PATH and works.
pub(super) async fn uv() -> Option<PathBuf> {
    let path = process::find("uv")?;
    process::tool(process::command(&path).arg("--version")).await.ok().map(|_| path)
}
