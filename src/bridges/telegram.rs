//! mautrix-telegram: what it wants to have been given out by Telegram is looked at before anything is
//! made, for it would end at once with keys of another form.

use super::{Error, Network};

/// The number in the bridge's own example, with which it does not start.
const EXAMPLE: u32 = 12_345;

/// Refuses keys that cannot be of Telegram. What is said holds nothing of them.
pub(crate) fn check(network: &Network) -> Result<(), Error> {
    let refused = |flag, why| Err(Error::Key { flag, why });
    match network.api_id {
        Some(0) => return refused("--api-id", "is no number that Telegram gives out"),
        Some(EXAMPLE) => {
            return refused("--api-id", "is the number of the bridge's example, none of your own");
        }
        _ => {}
    }
    if network.api_hash.as_ref().is_some_and(|hash| !is_hash(hash.expose())) {
        return refused("--api-hash-file", "contains no API hash, which is 32 hexadecimal digits");
    }
    if network.bot_token.as_ref().is_some_and(|token| !is_token(token.expose())) {
        let why = "contains no bot token, which is a number, a colon and 30 letters or more";
        return refused("--bot-token-file", why);
    }
    Ok(())
}

fn is_hash(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_token(text: &str) -> bool {
    const SHORTEST: usize = 30;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    text.split_once(':').is_some_and(|(number, key)| {
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && key.len() >= SHORTEST
            && key.bytes().all(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn keys_of_another_form_are_refused_and_not_shown() {
        let (hash, token) =
            ("0123456789abcdef0123456789abcdef", format!("1:{}", "a-Z_9".repeat(7)));
        let keys = |id: u32, hash: &str, token: &str| Network {
            api_id: Some(id),
            api_hash: Some(Secret::new(hash)),
            bot_token: Some(Secret::new(token)),
        };
        check(&keys(1, hash, &token)).unwrap();
        check(&Network { bot_token: None, ..keys(1, hash, "") }).unwrap();
        let refused = |network: Network| check(&network).unwrap_err().to_string();
        assert!(refused(keys(0, hash, &token)).starts_with("`--api-id` is no number"));
        assert!(refused(keys(EXAMPLE, hash, &token)).contains("of the bridge's example"));
        for bad in ["", "0123", &hash.replace('0', "x"), &hash.repeat(2)] {
            let said = refused(keys(1, bad, &token));
            assert!(said.starts_with("`--api-hash-file` contains no"), "{said}");
            assert!(bad.is_empty() || !said.contains(bad));
        }
        for bad in ["", "1", ":abc", "1:abc", &token.replace("1:", "x:"), &token.replace('a', "ä")]
        {
            assert!(refused(keys(1, hash, bad)).starts_with("`--bot-token-file` contains no"));
        }
    }
}
