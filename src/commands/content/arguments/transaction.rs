//! The transaction id with which a repeat is harmless.

use ruma::{OwnedTransactionId, TransactionId};

use crate::{error::Failure, matrix};

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TransactionArg {
    /// Transaction id: a repeat with the same id is done only once
    #[arg(long, value_name = "ID")]
    pub(crate) transaction_id: Option<String>,
}

impl TransactionArg {
    /// One that was used before stands for what was sent with it then.
    pub(crate) fn is_given(&self) -> bool {
        self.transaction_id.is_some()
    }

    /// The given transaction id or a new one.
    pub(crate) fn id(&self) -> Result<OwnedTransactionId, Failure> {
        match self.transaction_id.as_deref() {
            None => Ok(TransactionId::new()),
            Some(id)
                if !matches!(id, "" | "." | "..")
                    && id.len() <= 200
                    && id.chars().all(|c| c.is_ascii_graphic()) =>
            {
                Ok(id.into())
            }
            // As a part of a path, `.` and `..` name other things.
            Some(_) => Err(Failure::request(
                "a transaction id has 1 to 200 visible ASCII characters and is not `.` or `..`",
            )),
        }
    }
}

/// An error of a change whose outcome is unknown says how a repeat is harmless.
pub(crate) fn repeatable(error: matrix::Error, command: &str, transaction: &str) -> Failure {
    let unknown = error.is_outcome_unknown();
    let failure = Failure::from(error);
    if unknown {
        failure.hinted(format!(
            "the transaction id is {transaction}; a repeat with it is harmless: `{command} --transaction-id {transaction}`"
        ))
    } else {
        failure
    }
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_id_is_a_word_and_no_step_in_a_path() {
        for good in ["t1", "...", "a/b", "%2e"] {
            assert_eq!(given(good).id().unwrap(), good);
        }
        for bad in ["", ".", "..", "a b", "ä", &"x".repeat(201)] {
            assert!(given(bad).id().is_err(), "{bad}");
        }
    }

    fn given(id: &str) -> TransactionArg {
        TransactionArg { transaction_id: Some(id.to_owned()) }
    }
}
