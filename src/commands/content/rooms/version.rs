//! Which room version a new room gets.

use crate::{
    error::Failure,
    matrix::{api::capabilities, client::Client},
};

/// The version that was named, which the server must have, or the server's own.
pub(super) async fn wanted(client: &Client, given: Option<&str>) -> Result<String, Failure> {
    let versions = client.send(capabilities::Request {}).await?.capabilities.versions;
    let Some(given) = given else { return Ok(versions.default) };
    if versions.available.contains_key(given) {
        return Ok(given.to_owned());
    }
    let mut known: Vec<&str> = versions.available.keys().map(String::as_str).collect();
    known.sort_by_key(|version| (version.parse::<u32>().unwrap_or(u32::MAX), *version));
    Err(Failure::request(format!("the server has no room version `{}`", given.escape_debug()))
        .hinted(format!("it has {}; {} is that of new rooms", known.join(", "), versions.default)))
}
