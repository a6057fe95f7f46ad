//! Encrypted rooms: whether this homeserver's accounts take part in them, and who gets the keys.

use crate::config::values::{setting::section, shape::words};

words! {
    /// Whose devices get the keys of a message.
    ShareWith {
        /// Those that their owner has signed, as the specification has it since MSC4153.
        Signed = "signed",
        /// All of everybody in the room.
        All = "all",
        /// Those of people whom the account has verified.
        Verified = "verified",
    }
}

section! {
    /// Encrypted rooms: whether this homeserver's accounts take part in them, and who gets the keys.
    Encryption "encryption" {
        /// Run the service that keeps the keys of encrypted rooms, so that commands can read and write there. `manage install --without-encryption` switches it off, and builds no program for it.
        enabled: bool = "true" ["MATRIX_SYNAPSE_ENCRYPTION_ENABLED"];
        /// Devices that get the keys of what this program says in encrypted rooms: `signed` by their owner, as clients do with cross-signing, `all`, also those of programs that cannot sign, or only those of `verified` people.
        share_with: ShareWith = "signed" ["MATRIX_SYNAPSE_ENCRYPTION_SHARE_WITH"];
    }
}
