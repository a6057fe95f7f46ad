//! What stands beside Synapse: the relay of calls, the provider of logins, the store for media, bridges.

use super::{Check, EVERY, Flow, Found, Look, Subject};
use crate::{
    bridges,
    config::{Config, sections::synapse::Encryption, values::shape::Words as _},
    crypto,
    error::Failure,
    oidc, relay, render, s3, turn,
};

/// One that cannot be read is left out of what Synapse is told, and the others go on.
pub(crate) static BRIDGES: Check = Check {
    name: "bridge-files",
    about: "what was noted of each bridge can be read",
    remedy: "`content list-bridges` shows what is wrong with each",
    flows: EVERY,
    look: Look::Here(|subject| Ok(bridges::registrations(&subject.config.data)?.1)),
};

/// Synapse does so whoever makes the room, and a bridge goes on in it as if it were not.
pub(crate) static ENCRYPTED: Check = Check {
    name: "bridged-rooms",
    about: "Synapse does not encrypt the rooms that bridges make",
    remedy: "`config set synapse.encryption_enabled_by_default_for_room_type off` leaves that to who makes a room",
    flows: EVERY,
    look: Look::Here(|subject| Ok(deafened(subject.config)?.into_iter().collect())),
};

/// What is to be known where there are bridges and Synapse encrypts rooms by force.
fn deafened(config: &Config) -> Result<Option<String>, Failure> {
    let forced = config.synapse.encryption_enabled_by_default_for_room_type;
    if forced == Encryption::Off || bridges::all(&config.data)?.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!(
        "`synapse.encryption_enabled_by_default_for_room_type` is `{}`, so that Synapse also encrypts the rooms that \
         bridges make, in which they hear nothing; {}",
        forced.word(),
        ENCRYPTED.remedy
    )))
}

/// Without it rooms are made in the clear and those that are encrypted are closed, while all else works.
pub(crate) static KEYS: Check = Check {
    name: "crypto-program",
    about: "the program that keeps the keys of encrypted rooms is beside this one, where encryption is wanted",
    remedy: "`./cli.sh manage install` builds it; `config set encryption.enabled false` does without",
    flows: &[Flow::Start, Flow::Restart, Flow::Change],
    look: Look::Here(|subject| {
        let is_missing = subject.config.encryption.enabled && crypto::program().is_none();
        let missing = format!(
            "the program `resource-matrix-crypto` is not beside this one, so nobody here reads or writes in encrypted \
             rooms: {}",
            KEYS.remedy
        );
        Ok(is_missing.then_some(missing).into_iter().collect())
    }),
};

pub(crate) static RELAY: Check = Check {
    name: "relay",
    about: "the settings of the relay of calls fit together, and coturn is there where it is ours",
    remedy: "`config show turn` says what is set",
    flows: EVERY,
    look: Look::Here(|subject| {
        turn::check(subject.config)?;
        Ok(Vec::new())
    }),
};

pub(crate) static CHAT: Check = Check {
    name: "chat",
    about: "the settings of the chat for an application fit together",
    remedy: "`config show relay` says what is set",
    flows: EVERY,
    look: Look::Here(|subject| {
        relay::check(subject.config)?;
        Ok(relay::doubtful(subject.config))
    }),
};

/// What does not run cannot be asked: the start of the relay says so then.
pub(crate) static NAMES: Check = Check {
    name: "chat-names",
    about: "the users and rooms of the relay are called as the settings have it",
    remedy: "`content relay reset --all` gives them new names",
    flows: &[Flow::Restart, Flow::Change, Flow::ConfigCheck],
    look: Look::Asks(|subject| {
        Box::pin(async {
            relay::same_names(subject.config).await?;
            Ok(Vec::new())
        })
    }),
};

pub(crate) static LOGINS: Check = Check {
    name: "logins",
    about: "people can log in: with a password, or through a provider whose secret is set",
    remedy: "`config show oidc` says what is set",
    flows: EVERY,
    look: Look::Here(|subject| {
        oidc::check(subject.config)?;
        Ok(oidc::doubtful(subject.config).into_iter().collect())
    }),
};

pub(crate) static MEDIA: Check = Check {
    name: "media-store",
    about: "the settings of the bucket for media fit together",
    remedy: "`config show media` says what is set",
    flows: EVERY,
    look: Look::Here(|subject| {
        s3::check(subject.config)?;
        Ok(Vec::new())
    }),
};

/// Synapse asks it at each login, so that a start does not wait for it.
pub(crate) static PROVIDER: Check = Check {
    name: "login-provider",
    about: "the login provider answers and calls itself what `oidc.issuer` says",
    remedy: "`manage install --skip-validation` does not ask it",
    flows: &[Flow::Install, Flow::ConfigCheck],
    look: Look::Asks(|subject| {
        Box::pin(async { warned(subject, oidc::discover(subject.config).await) })
    }),
};

/// Synapse asks it with each upload.
pub(crate) static BUCKET: Check = Check {
    name: "media-bucket",
    about: "the store for media has the bucket, and the keys are good for it",
    remedy: "`manage install --skip-validation` does not ask it",
    flows: &[Flow::Install, Flow::ConfigCheck],
    look: Look::Asks(|subject| Box::pin(bucket(subject))),
};

/// What is wrong with a server of others is in the way of an install alone: it may be mended any time.
fn warned<E: Into<Failure>>(subject: &Subject<'_>, asked: Result<(), E>) -> Found {
    match asked {
        Ok(()) => Ok(Vec::new()),
        Err(error) if subject.flow == Flow::Install => Err(error.into()),
        Err(error) => Ok(vec![error.into().to_string()]),
    }
}

/// It can be asked only by what is installed.
async fn bucket(subject: &Subject<'_>) -> Found {
    let (config, environment) = (subject.config, render::environment(subject.config));
    let is_there = s3::is_installed(config, &environment);
    if !environment.is_complete() || subject.flow == Flow::Install && is_there.is_err() {
        return Ok(Vec::new());
    }
    if config.data.is_installed() {
        // Synapse could not even read its settings.
        is_there?;
    }
    warned(subject, s3::ask(config, &environment).await)
}
