//! What the operator gives a name in the settings: services and profiles of their own.

pub(crate) mod custom;
pub(crate) mod profiles;
