//! The sections of the settings, one type each: its keys, defaults, variables and documentation.

pub(crate) mod alerts;
pub(crate) mod backup;
pub(crate) mod database;
pub(crate) mod dendrite;
pub(crate) mod encryption;
pub(crate) mod hooks;
pub(crate) mod kubernetes;
pub(crate) mod media;
pub(crate) mod oidc;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod rooms;
pub(crate) mod server;
pub(crate) mod stack;
pub(crate) mod supervision;
pub(crate) mod synapse;
pub(crate) mod tls;
pub(crate) mod turn;
pub(crate) mod web;
pub(crate) mod workers;
