//! Lists: what all of them take (`--fields`, `--sort`, `--limit`), and how their records come, page by
//! page, into whatever format was asked for.
//!
//! A verb that lists has a `ListArgs` of its record flattened into its arguments, says with [`Listed`] what its
//! document has beside the records, and returns a [`List`].

mod args;
mod list;
mod one_of;
mod pages;
mod rows;

pub(crate) use self::{
    args::ListArgs,
    list::{Document, List, Listed},
    one_of::one_said,
    pages::pages,
};
