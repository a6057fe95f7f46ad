//! Bots at a Dendrite, which has no kinds of accounts: what the account itself keeps says that it is one.

use std::path::PathBuf;

use ruma::{OwnedUserId, UserId};
use serde_json::json;

use super::{Error, account_data, client::Client, operator, session};
use crate::{data_dir::DataDir, files, secret::Secret};

/// The type of that.
const MARK: &str = "com.vrooli.synapse.bot";

/// Whether there is such an account, and whether it is a bot.
pub(crate) async fn find(
    data: &DataDir,
    operator: &Client,
    user_id: &OwnedUserId,
) -> Result<Option<bool>, Error> {
    let client = match operator::act_as(data, operator, user_id, operator.left()).await {
        Err(Error::NoUser(_)) => return Ok(None),
        client => client?,
    };
    // A command that was killed may have made it and not marked it.
    let is_bot =
        begun(data, user_id).exists() || account_data::get(&client, None, MARK).await?.is_some();
    Ok(Some(is_bot))
}

/// Makes one where there is none, which nobody can log in to with a password, and gives it its name.
pub(crate) async fn ensure(
    data: &DataDir,
    operator: &Client,
    user_id: &OwnedUserId,
    is_there: bool,
    name: Option<&str>,
) -> Result<(), Error> {
    let note = begun(data, user_id);
    if is_there && !note.exists() {
        return Ok(());
    }
    files::private_folder(&data.run())?;
    files::write_atomically(&note, b"", files::PRIVATE)?;
    if !is_there {
        let password = Secret::generate(&mut rand::rng());
        operator::add(operator, user_id.clone(), &password, false).await?;
    }
    let client = operator::act_as(data, operator, user_id, operator.left()).await?;
    account_data::put(&client, None, MARK, json!({})).await?;
    if let Some(name) = name {
        operator::rename(operator, user_id, name).await?;
    }
    Ok(files::remove(&note)?)
}

fn begun(data: &DataDir, user_id: &UserId) -> PathBuf {
    data.run().join(format!("bot-{}", session::file_name(user_id)))
}
