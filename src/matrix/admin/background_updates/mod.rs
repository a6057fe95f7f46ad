//! What Synapse does to its database in the background after an upgrade.

pub(crate) mod enable;
pub(crate) mod status;
