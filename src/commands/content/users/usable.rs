//! The accounts that something can still be changed of.

use ruma::UserId;

use crate::{
    commands::content::arguments::{self, Patience, user::find},
    context::Context,
    error::Failure,
    matrix::{admin::users::get::User, client::Client},
    process::Lock,
    reply::Stop,
};

/// Refuses what would keep this program from acting.
pub(in crate::commands::content) fn not_operator(
    operator: &Client,
    user_id: &UserId,
) -> Result<(), Failure> {
    if user_id == operator.user_id() {
        let message = format!("`{user_id}` is the operator, which this program acts with");
        return Err(Failure::request(message));
    }
    Ok(())
}

/// Waits until nobody else changes this account: of several who do the same, one does it.
pub(in crate::commands::content) async fn turn(
    context: &Context,
    user_id: &UserId,
    purpose: &str,
    patience: Patience,
) -> Option<Lock> {
    arguments::turn::turn(context, "users", user_id.localpart(), purpose, patience.timeout()).await
}

/// The account, unless there is none or it was deactivated.
pub(in crate::commands::content) async fn usable(
    operator: &Client,
    user_id: &UserId,
) -> Result<User, Stop> {
    let found = find(operator, user_id).await?;
    let found = found.ok_or_else(|| Stop::absent("user", "user_id", user_id))?;
    if found.deactivated { Err(deactivated(user_id).into()) } else { Ok(found) }
}

/// A name is never given to another: who was deactivated stays in what was said.
pub(in crate::commands::content) fn deactivated(user_id: &UserId) -> Failure {
    Failure::request(format!("`{user_id}` was deactivated, and its name is never given to another"))
        .hinted("choose another name, or open the account again with `content reactivate-user`; `content list-users --all -v` shows deactivated accounts too")
}
