//! What the words of `content add-bridge` ask for.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::{
    bridges::{Asked, Error, Kind, Network, telegram},
    commands::{
        content::arguments::{Patience, text::stdin_text},
        offered,
    },
    config::{Config, values::shape::Words as _},
    error::Failure,
    files,
    instance::bridges::Wanted,
    matrix::names,
    process,
    secret::Secret,
};

/// No key of a network is longer, in bytes.
const LONGEST: u64 = 4096;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// irc, telegram, slack, discord, hookshot, or custom for one that brings its registration
    kind: String,
    /// What it is called; without it as its kind. Its users are NAME_…
    #[arg(long)]
    name: Option<String>,
    /// User who controls the bridge; otherwise the operator
    #[arg(long, value_name = "USER", add = offered::users())]
    owner: Option<String>,
    /// The bridge's program, for slack, discord and hookshot
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// The registration that a custom bridge wrote
    #[arg(long, value_name = "FILE")]
    registration: Option<PathBuf>,
    /// Keep this command of a custom bridge running; without it that is somebody else's business
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// The port it listens on; otherwise one that is free
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The number that Telegram gave out for this bridge
    #[arg(long, value_name = "NUMBER")]
    api_id: Option<u32>,
    /// Read what belongs to that number from this file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    api_hash_file: Option<PathBuf>,
    /// Read the token of a Telegram bot from this file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    bot_token_file: Option<PathBuf>,
    /// Install its packages from this folder of wheels
    #[arg(long, value_name = "FOLDER")]
    offline: Option<PathBuf>,
    #[command(flatten)]
    pub(super) patience: Patience,
}

/// What was typed, with all that it needs and nothing that it has no use for.
pub(super) fn wanted(args: Args, config: &Config) -> Result<Wanted, Failure> {
    let kind = Kind::named(&args.kind).ok_or(Error::Kind(args.kind))?;
    let (custom, telegram) = (kind == Kind::Custom, kind == Kind::Telegram);
    for (flag, given, of_use, needed) in [
        ("--owner", args.owner.is_some(), !custom, false),
        ("--program", args.program.is_some(), kind.needs_program(), true),
        ("--registration", args.registration.is_some(), custom, true),
        ("--command", args.command.is_some(), custom, false),
        ("--port", args.port.is_some(), !custom, false),
        ("--api-id", args.api_id.is_some(), telegram, true),
        ("--api-hash-file", args.api_hash_file.is_some(), telegram, true),
        ("--bot-token-file", args.bot_token_file.is_some(), telegram, false),
        ("--offline", args.offline.is_some(), telegram || kind == Kind::Irc, false),
    ] {
        if given && !of_use {
            return Err(Error::Useless { kind, flag }.into());
        }
        if of_use && needed && !given {
            return Err(Error::Missing { kind, flag }.into());
        }
    }
    let server = &config.server.name.0;
    if !kind.starts_for(server) {
        return Err(Error::Server { kind, server: server.clone() }.into());
    }
    let registration = match args.registration {
        Some(path) => {
            let text = files::read_input(&path, files::PATIENCE)?;
            Some((path, Secret::new(text)))
        }
        None => None,
    };
    let network = Network {
        api_id: args.api_id,
        api_hash: args.api_hash_file.map(|path| key(&path, "the API hash")).transpose()?,
        bot_token: args.bot_token_file.map(|path| key(&path, "the bot's token")).transpose()?,
    };
    telegram::check(&network)?;
    let owner = match &args.owner {
        _ if custom => None,
        Some(owner) => Some(names::anyone(owner, server)?.to_string()),
        None => Some(format!("@{}:{}", config.server.operator.0, server)),
    };
    let command = args.command.map(|command| {
        let words = shlex::split(&command).filter(|words| !words.is_empty());
        let mut words =
            words.ok_or(Error::Command("a quote is not closed, or nothing is in it"))?;
        let program = PathBuf::from(&words[0]);
        let found = if words[0].contains('/') {
            program.canonicalize().ok()
        } else {
            process::find(&words[0])
        };
        let found =
            found.filter(|file| process::is_program(file)).ok_or(Error::Program(program))?;
        words[0] = found.display().to_string();
        Ok::<_, Error>(words)
    });
    let asked = Asked {
        kind,
        owner,
        program: args.program.map(|path| path.canonicalize().unwrap_or(path)),
        command: command.transpose()?.unwrap_or_default(),
        port: args.port,
        digest: digest(registration.as_ref().map(|(_, text)| text), &network),
    };
    let name = args.name.unwrap_or_else(|| kind.word().to_owned());
    Ok(Wanted { name, asked, network, registration, offline: args.offline })
}

/// A key out of a file, or out of stdin.
fn key(path: &Path, what: &'static str) -> Result<Secret, Failure> {
    let text = if path.as_os_str() == "-" {
        stdin_text(what, LONGEST)?
    } else {
        files::read_input(path, files::PATIENCE)?
    };
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && text.len() as u64 <= LONGEST {
        Ok(Secret::new(text))
    } else {
        Err(Failure::request(format!("{what} is empty or no single word")))
    }
}

/// Tells the same secrets from others without keeping them.
fn digest(registration: Option<&Secret>, network: &Network) -> Option<String> {
    let Network { api_id, api_hash, bot_token } = network;
    let id = api_id.map(|id| Secret::new(id.to_string()));
    let parts = [registration, id.as_ref(), api_hash.as_ref(), bot_token.as_ref()];
    if parts.iter().all(Option::is_none) {
        return None;
    }
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.map_or("", Secret::expose));
        hash.update([0]);
    }
    Some(HEXLOWER.encode(&hash.finalize()))
}
