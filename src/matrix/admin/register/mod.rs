//! Registration with the shared secret.

pub(crate) mod create;
pub(crate) mod nonce;
