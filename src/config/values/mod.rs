//! What a setting is and what values it can have: declared once, and read, shown and documented from that.

pub(crate) mod addresses;
pub(crate) mod fields;
pub(crate) mod origin;
pub(crate) mod range;
pub(crate) mod setting;
pub(crate) mod shape;
pub(crate) mod source;
