//! A lock for a version of Synapse that this program ships none for: every package with its hashes, written down
//! in the data folder, so that the next install gets the same.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Error, Plan, Set,
    environment::{PIP, UV},
    lock::place,
    set::pinned,
};
use crate::{files, process};

/// The oldest Python that a lock is for, where uv makes it.
const OLDEST: &str = "3.10";

/// A package that is another one in two sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Differs {
    pub(crate) name: String,
    /// Its version before; nothing where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// Its version from now on; nothing where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
}

/// Writes the packages of a set down, for whoever ships another one by then; false where that was done.
pub(crate) fn keep(locks: &Path, set: &Set) -> Result<bool, Error> {
    files::private_folder(locks)?;
    let text = set.requirements.as_bytes();
    Ok(files::write_if_changed(&place(locks, &set.version), text, files::PRIVATE)?)
}

/// What is another package in the one set than in the other.
pub(crate) fn difference(before: &Set, after: &Set) -> Vec<Differs> {
    let all = |set: &Set| pinned(&set.requirements).collect::<BTreeMap<_, _>>();
    let (before, after) = (all(before), all(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let of = |set: &BTreeMap<String, String>, name| set.get(name).cloned();
    let differs = names.into_iter().map(|name| Differs {
        name: name.clone(),
        before: of(&before, name),
        after: of(&after, name),
    });
    differs.filter(|it| it.before != it.after).collect()
}

/// One package as pip reports it.
#[derive(Deserialize)]
struct Reported {
    metadata: Metadata,
    download_info: Download,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Download {
    archive_info: Archive,
}

#[derive(Deserialize)]
struct Archive {
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Resolved {
    install: Vec<Reported>,
}

/// pip's report as a list that pip reads.
fn listed(report: &str) -> Option<String> {
    let resolved: Resolved = serde_json::from_str(report).ok()?;
    let mut lines = Vec::new();
    for Reported { metadata: Metadata { name, version }, download_info } in resolved.install {
        let hash = download_info.archive_info.hashes.get("sha256")?.clone();
        lines.push(format!("{}=={version} \\\n    --hash=sha256:{hash}\n", name.to_lowercase()));
    }
    lines.sort();
    (!lines.is_empty()).then(|| lines.concat())
}

impl Plan {
    /// Whether its packages still have to be found out.
    pub(crate) fn is_open(&self) -> bool {
        !self.set.locked
    }

    /// The same with every package pinned by its hash, which is written down in `locks`.
    pub(crate) async fn lock(mut self, locks: &Path) -> Result<Self, Error> {
        if self.set.locked {
            return Ok(self);
        }
        files::private_folder(locks)?;
        let text = self.resolved().await?;
        let head = format!(
            "# Synapse {}, as it was found when it was installed first\n",
            self.set.version
        );
        let path = place(locks, &self.set.version);
        files::write_atomically(&path, (head + &text).as_bytes(), files::PRIVATE)?;
        let more = std::mem::take(&mut self.set.more);
        self.set = Set { more, ..Set::synapse_in(&self.set.version, locks)? };
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        self.folder = parent.join(self.set.folder(&self.interpreter.version));
        Ok(self)
    }

    async fn resolved(&self) -> Result<String, Error> {
        let wanted = PathBuf::from(format!("{}.in", self.folder.display()));
        let out = wanted.with_extension("out");
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        files::private_folder(parent)?;
        files::write_atomically(&wanted, self.set.requirements.as_bytes(), files::PUBLIC)?;
        let mut found = Err(Error::NoPython(None));
        if let Some(uv) = &self.uv {
            let here = self.interpreter.version.as_str();
            for python in [OLDEST, here] {
                found = self.with_uv_compile(uv, python, &wanted, &out).await;
                if found.is_ok() || here == OLDEST {
                    break;
                }
            }
        }
        // uv does not read pip's settings.
        if found.is_err() && self.interpreter.has_venv {
            found = self.with_pip_report(&wanted, &out).await;
        }
        let text = match found {
            Ok(PIP) => files::read(&out).map(|text| listed(&text)),
            Ok(_) => files::read(&out).map(Some),
            Err(error) => {
                files::remove(&wanted)?;
                files::remove(&out)?;
                return Err(match error {
                    Error::Install { last_words, .. }
                        if self.wheels.is_none() && lacks_synapse(&last_words) =>
                    {
                        Error::NoSynapse(self.set.version.clone())
                    }
                    error => error,
                });
            }
        };
        files::remove(&wanted)?;
        files::remove(&out)?;
        text?.ok_or_else(|| Error::Unlocked(self.set.version.clone()))
    }

    async fn with_uv_compile(
        &self,
        uv: &Path,
        python: &str,
        wanted: &Path,
        out: &Path,
    ) -> Result<&'static str, Error> {
        let mut compile = process::bound(uv);
        compile.args([
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--generate-hashes",
            "--no-header",
        ]);
        compile.args(["--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]);
        compile.args(["--only-binary", ":all:", "--python-version", python, "--python"]);
        compile.arg(&self.interpreter.path).arg("--output-file").arg(out).arg(wanted);
        if let Some(wheels) = &self.wheels {
            compile.args(["--offline", "--no-index", "--find-links"]).arg(wheels);
        }
        self.run(&mut compile).await.map(|()| UV)
    }

    /// For this machine's Python alone.
    async fn with_pip_report(&self, wanted: &Path, out: &Path) -> Result<&'static str, Error> {
        let scratch = wanted.with_extension("venv");
        files::remove(&scratch)?;
        let mut venv = process::bound(&self.interpreter.path);
        let mut made = self.run(venv.args(["-m", "venv"]).arg(&scratch)).await;
        if made.is_ok() {
            let mut report = process::bound(scratch.join("bin/python"));
            report.args(["-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-input"]);
            report.args(["--disable-pip-version-check", "--progress-bar", "off"]);
            report.args(["--only-binary", ":all:", "--requirement"]).arg(wanted);
            report.arg("--report").arg(out);
            if let Some(wheels) = &self.wheels {
                report.args(["--no-index", "--find-links"]).arg(wheels);
            }
            made = self.run(&mut report).await;
        }
        files::remove(&scratch)?;
        made.map(|()| PIP)
    }
}

/// Whether that is how pip or uv says that there is no such version.
fn lacks_synapse(words: &str) -> bool {
    ["no version of matrix-synapse==", "No matching distribution found for matrix-synapse=="]
        .iter()
        .any(|it| words.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pip_reports_becomes_a_list_with_hashes() {
        let hash = "a".repeat(64);
        let report = serde_json::json!({ "version": "1", "install": [
            { "metadata": { "name": "Twisted", "version": "24.1" },
              "download_info": { "url": "https://x/y.whl", "archive_info": { "hashes": { "sha256": hash } } } },
            { "metadata": { "name": "attrs", "version": "25.1" },
              "download_info": { "url": "https://x/z.whl", "archive_info": { "hashes": { "sha256": hash } } } },
        ]});
        let text = listed(&report.to_string()).unwrap();
        assert!(text.starts_with("attrs==25.1 \\\n    --hash=sha256:aaaa"), "{text}");
        let folder = tempfile::tempdir().unwrap();
        let path = place(folder.path(), "1.150.0");
        files::write_atomically(&path, text.as_bytes(), files::PRIVATE).unwrap();
        assert_eq!(super::super::lock::read(&path).unwrap().len(), 2);
        assert_eq!(listed("{}"), None);
        let none = serde_json::json!({ "install": [{ "metadata": { "name": "a", "version": "1" },
            "download_info": { "archive_info": {} } }] });
        assert_eq!(listed(&none.to_string()), None);
    }

    #[test]
    fn a_lock_that_is_kept_is_what_is_installed_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let locks = folder.path();
        let open = Set::synapse_in("1.150.0", locks).unwrap();
        assert!(!open.locked);
        let text = format!("matrix-synapse==1.150.0 --hash=sha256:{}\n", "a".repeat(64));
        files::write_atomically(&place(locks, "1.150.0"), text.as_bytes(), files::PRIVATE).unwrap();
        let kept = Set::synapse_in("1.150.0", locks).unwrap();
        assert!(kept.locked && kept.folder("3.11") != open.folder("3.11"));
        assert_eq!(kept.folder("3.11"), Set::synapse_in("1.150.0", locks).unwrap().folder("3.11"));
        // One that somebody spoilt is named, not used.
        files::write_atomically(&place(locks, "1.150.0"), b"matrix-synapse==1.150.0\n", 0o600)
            .unwrap();
        let why = Set::synapse_in("1.150.0", locks).unwrap_err().to_string();
        assert!(why.contains("synapse-1.150.0.lock"), "{why}");
        // What this program ships is as it ships it, and kept for one that ships another.
        let shipped = Set::synapse(None);
        assert!(keep(locks, &shipped).unwrap() && !keep(locks, &shipped).unwrap());
        assert!(Set::synapse_in(&shipped.version, locks).unwrap().locked);
        assert!(Set::synapse_in("../1", locks).is_err());
    }

    #[test]
    fn two_sets_are_compared_package_by_package() {
        let set = |text: &str| Set { requirements: text.into(), ..Set::synapse(Some("1.0.0")) };
        let (old, new) = (set("a==1 \\\n  --hash=x\nb==1\nc==1\n"), set("a==2\nb==1\nd==1\n"));
        let shown: Vec<_> =
            difference(&old, &new).into_iter().map(|it| (it.name, it.before, it.after)).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            shown,
            [
                ("a".to_owned(), text("1"), text("2")),
                ("c".to_owned(), text("1"), None),
                ("d".to_owned(), None, text("1"))
            ]
        );
    }
}
