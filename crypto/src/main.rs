//! Keeps the keys of a homeserver's accounts, one store for each, and encrypts and decrypts for whoever asks over a socket
//! that only its owner may open. It is a program of its own, so that no command has to carry what only encrypted rooms need.

mod account;
mod http;
mod room;
mod serve;
mod store;
#[path = "../../src/crypto/wire.rs"]
mod wire;

use std::{path::PathBuf, process::ExitCode};

use matrix_sdk_crypto::CollectStrategy;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let mut folder = || words.next().map(PathBuf::from);
    let (Some(socket), Some(stores), Some(secrets)) = (folder(), folder(), folder()) else {
        return usage();
    };
    let share_with = words.next();
    let share_with = match share_with.as_ref().and_then(|word| word.to_str()) {
        // As the specification has it (MSC4153).
        Some("signed") => CollectStrategy::IdentityBasedStrategy,
        Some("all") => CollectStrategy::AllDevices,
        Some("verified") => CollectStrategy::OnlyTrustedDevices,
        _ => return usage(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(serve::serve(&socket, store::Stores::new(stores, secrets, share_with)?))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error: Box<dyn std::error::Error> = error;
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(now) = cause {
                eprintln!("because: {now}");
                cause = now.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: resource-matrix-crypto SOCKET STORES SECRETS signed|all|verified");
    ExitCode::FAILURE
}
