//! What can be wrong with a bridge, before it runs.

use std::path::PathBuf;

use ruma::OwnedServerName;

use super::Kind;
use crate::{
    error::{self, Explain},
    files,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no kind of bridge `{0}`")]
    Kind(String),
    #[error("`{0}` is not a valid bridge name: up to 24 of a-z, 0-9 and -, a letter first")]
    Name(String),
    #[error("a bridge of the kind `{}` needs `{flag}`", kind_word(*kind))]
    Missing { kind: Kind, flag: &'static str },
    #[error("a bridge of the kind `{}` does not take `{flag}`", kind_word(*kind))]
    Useless { kind: Kind, flag: &'static str },
    #[error("a bridge of the kind `{}` does not start for a homeserver called `{server}`", kind_word(*kind))]
    Server { kind: Kind, server: OwnedServerName },
    #[error("`{flag}` {why}")]
    Key { flag: &'static str, why: &'static str },
    #[error("`{}` is not an executable program", .0.display())]
    Program(PathBuf),
    #[error("the command of the bridge cannot be read: {0}")]
    Command(&'static str),
    #[error("port {port} is taken by {by}")]
    Port { port: u16, by: String },
    #[error("no port between 29300 and 29900 is free for a bridge")]
    NoPort,
    #[error("the bridge `{0}` exists already with other settings")]
    Other(String),
    #[error("`{}` is not a valid registration: {why}", path.display())]
    Registration { path: PathBuf, why: String },
    #[error("Synapse cannot read the registration of the bridge `{name}`: {why}")]
    Unread { name: String, why: String },
    #[error("the {what} of the bridge is also that of the bridge `{other}`")]
    Twice { what: &'static str, other: String },
    #[error(
        "the bridge's namespace overlaps with that of the bridge `{other}`: `{ours}` and `{theirs}`"
    )]
    Overlap { ours: String, theirs: String, other: String },
    #[error("the bridge would own the account `{user}`, {whose}")]
    Owns { user: String, whose: &'static str },
    #[error("the bridge acts as `{user}`, which {whose}")]
    Sender { user: String, whose: String },
    #[error("the template of the bridge's settings is wrong")]
    Template(#[from] minijinja::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

fn kind_word(kind: Kind) -> &'static str {
    use crate::config::values::shape::Words as _;
    kind.word()
}

impl Explain for Error {
    fn kind(&self) -> error::Kind {
        match self {
            Self::Template(_) => error::Kind::Bug,
            Self::File(error) => error.kind(),
            Self::Registration { .. } => error::Kind::Request,
            Self::NoPort | Self::Port { .. } => error::Kind::Environment,
            _ => error::Kind::Request,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Kind(_) => format!("the kinds are {}", Kind::words()),
            Self::Unread { name, .. } => format!(
                "correct `bridges/{name}/registration.yaml` in the data folder, or remove the bridge with `content remove-bridge {name}`"
            ),
            Self::Name(_) => "one is such as `irc` or `libera-chat`".into(),
            Self::Missing { flag: "--program", .. } => {
                "build it or get it from its makers, and name the file with `--program PATH`".into()
            }
            Self::Missing { flag: "--registration", .. } => {
                "`--registration FILE` names the file that the bridge's own program wrote".into()
            }
            Self::Missing { .. } | Self::Key { flag: "--api-id" | "--api-hash-file", .. } => {
                "https://my.telegram.org/apps gives both out".into()
            }
            Self::Key { .. } => "https://t.me/BotFather gives it out".into(),
            Self::Server { .. } => {
                "its program takes that name for one of an example; a name cannot be changed once there are users".into()
            }
            Self::Useless { flag, .. } => format!("leave `{flag}` out"),
            Self::Program(_) => "name the file itself, and see that it may be executed".into(),
            Self::Command(_) => "quote it as for a shell: `--command '/opt/x/run --flag'`".into(),
            Self::Port { .. } | Self::NoPort => "`--port PORT` names another one".into(),
            Self::Other(name) => {
                format!("`content remove-bridge {name}` removes that one; or choose another name")
            }
            Self::Registration { .. } => {
                "it is YAML with id, url, as_token, hs_token, sender_localpart and namespaces".into()
            }
            Self::Twice { .. } | Self::Overlap { .. } => {
                "`content list-bridges` shows those there are; a bridge of another `--name` has users of its own".into()
            }
            Self::Owns { .. } | Self::Sender { .. } => "choose another `--name`, or change the registration".into(),
            Self::Template(_) => return None,
            Self::File(error) => return error.hint(),
        })
    }
}
