//! What has a name, where no type was given with it.

use super::kind::Kind;
use crate::{
    commands::content::arguments::{Patience, user},
    context::Context,
    error::Failure,
    hooks::registry,
    matrix::{Error, names, room},
    reply::Stop,
};

/// The one type that has something of this name. What was deactivated counts only where nothing else
/// has the name.
pub(super) async fn only(name: &str, patience: Patience, context: &Context) -> Result<Kind, Stop> {
    let operator = patience.operator(context)?;
    let (mut kinds, mut gone) = (Vec::new(), None);
    let user_id = names::user(name, operator.server_name());
    if let Ok(user_id) = &user_id
        && let Some(user) = user::find(&operator, user_id).await?
    {
        let kind = if user.is_bot() { Kind::Bot } else { Kind::User };
        if user.deactivated { gone = Some(kind) } else { kinds.push(kind) }
    }
    match room::resolve(&operator, name).await {
        // Of several rooms the verb itself says the ids.
        Ok(_) | Err(Error::ManyRooms { .. }) => kinds.push(Kind::Room),
        Err(error) if error.is_not_found() => {}
        Err(Error::Name(_)) if user_id.is_ok() => {}
        Err(error) => return Err(error.into()),
    }
    if registry::names(&context.data()?).iter().any(|hook| hook == name) {
        kinds.push(Kind::Hook);
    }
    if kinds.is_empty() {
        kinds.extend(gone);
    }
    match kinds[..] {
        [] => Err(Stop::absent("user, bot, room or hook", "name", name)),
        [kind] => Ok(kind),
        _ => Err(several(name, &kinds).into()),
    }
}

/// Refuses a person where a bot was meant: what happens to an account cannot be undone.
pub(super) async fn no_person(
    name: &str,
    patience: Patience,
    context: &Context,
) -> Result<(), Failure> {
    let operator = patience.operator(context)?;
    let user_id = names::user(name, operator.server_name())?;
    match user::find(&operator, &user_id).await? {
        Some(user) if !user.is_bot() && !user.deactivated => Err(Failure::request(format!(
            "`{user_id}` is no bot"
        ))
        .hinted("`--type user` means people and bots; `content list-users --bots` lists the bots")),
        _ => Ok(()),
    }
}

fn several(name: &str, kinds: &[Kind]) -> Failure {
    let words = kinds.iter().map(|kind| format!("a {}", kind.word()));
    let choices = kinds.iter().map(|kind| format!("`--type {}`", kind.word()));
    let (words, choices): (Vec<_>, Vec<_>) = (words.collect(), choices.collect());
    Failure::request(format!("`{name}` is {}", words.join(" and ")))
        .hinted(format!("say which: {}", choices.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_several_is_answered_with_the_choices() {
        let said = several("ci", &[Kind::Bot, Kind::Hook]);
        assert_eq!(said.error.to_string(), "`ci` is a bot and a hook");
        assert_eq!(said.hint.unwrap(), "say which: `--type bot` or `--type hook`");
    }
}
