//! The program of a homeserver that is Dendrite.

use std::path::PathBuf;

use serde_json::Value;

use crate::config::values::setting::section;

/// What is otherwise unless it is set: the newest version of rooms that is known there, and no encrypted rooms.
pub(crate) fn defaults() -> [(&'static str, Value); 2] {
    [("synapse.room_version", "11".into()), ("encryption.enabled", false.into())]
}

section! {
    /// The program of a homeserver that is Dendrite.
    Dendrite "dendrite" {
        /// Its program, which is copied. Empty: version 0.13.8 is built with `go install`, for which Go has to be there. Later releases are elsewhere, under another licence.
        binary: Option<PathBuf> = "" ["MATRIX_SYNAPSE_DENDRITE_BINARY"];
    }
}
