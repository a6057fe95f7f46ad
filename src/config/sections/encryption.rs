//! Encrypted rooms: whether this homeserver's accounts take part in them.

use crate::config::values::setting::section;

section! {
    /// Encrypted rooms: whether this homeserver's accounts take part in them.
    Encryption "encryption" {
        /// Run the service that keeps the keys of encrypted rooms, so that commands can read and write there. `manage install --without-encryption` switches it off, and builds no program for it.
        enabled: bool = "true" ["MATRIX_SYNAPSE_ENCRYPTION_ENABLED"];
    }
}
