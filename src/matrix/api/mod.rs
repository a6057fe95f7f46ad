//! Endpoints of the Matrix client API that have a parameter in their path, one a file, in ruma's style:
//! ruma's own would take an id as it is (see [`super::segment`]).

pub(crate) mod invite;
pub(crate) mod messages;
