//! The program of a homeserver that is Dendrite.

use std::path::PathBuf;

use crate::config::values::setting::section;

section! {
    /// The program of a homeserver that is Dendrite.
    Dendrite "dendrite" {
        /// Its program, which is copied. Empty: version 0.13.8 is built with `go install`, for which Go has to be there. Later releases are elsewhere, under another licence.
        binary: Option<PathBuf> = "" ["MATRIX_SYNAPSE_DENDRITE_BINARY"];
    }
}
