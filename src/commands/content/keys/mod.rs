//! `content`: the keys of what is said in encrypted rooms.

use crate::commands::table::commands;

mod manage;

commands! {
    "Keys of encrypted rooms";
    #[synapse] "keys" => manage, "Back up, restore, export or import room keys";
}
