//! Where settings come from: the environment, `.env` files, the platform; and the file that is edited.

pub(crate) mod dotenv;
pub(crate) mod edit;
pub(crate) mod environment;
pub(crate) mod vrooli;
pub(crate) mod whole;
