//! `content`: what people register with.

use crate::commands::table::commands;

mod add;
mod list;
mod remove;
mod set;
mod shown;

commands! {
    "Registration tokens";
    "add-registration-token" => add, "Make a token with which people may register";
    "list-registration-tokens" => list, "List all registration tokens";
    "set-registration-token" => set, "Change how often and how long a registration token can be used";
    "remove-registration-token" => remove, "Take a registration token away";
}
