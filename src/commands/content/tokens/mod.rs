//! `content`: what people register with.

use crate::commands::table::commands;

mod add;
mod list;
mod remove;
mod set;
mod shown;

commands! {
    "Registration tokens";
    #[synapse] "add-registration-token" => add, "Make a token to register with";
    #[synapse] "list-registration-tokens" => list, "List the tokens to register with";
    #[synapse] "set-registration-token" => set, "Change how a token can be used";
    #[synapse] "remove-registration-token" => remove, "Take a token away";
}
