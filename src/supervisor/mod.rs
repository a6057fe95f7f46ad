//! Keeps any process running, and knows none by name.
//!
//! `service` is what is asked for, `order` sorts, `job` spawns and reaps, `probe` and `notify` ask,
//! `state` decides (purely), `watch` is the loop that acts, `log` keeps what the processes say,
//! `control` is the socket others talk to, `record` is what is written for others to read.

pub(crate) mod service;
pub(crate) mod order;
pub(crate) mod state;
