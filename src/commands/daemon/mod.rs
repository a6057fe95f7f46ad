//! `daemon`: what `manage start` and the supervisor run; nothing to type by hand.

use super::commands;

mod echo;
mod exec;
mod provision;
mod supervise;

pub(crate) use supervise::supervise;

commands! {
    #[hidden] "supervise" => supervise, "Keep the homeserver's processes";
    #[hidden] "exec" => exec, "Become a program that ends with its parent";
    #[hidden] "provision" => provision, "Make role and database ready";
}
