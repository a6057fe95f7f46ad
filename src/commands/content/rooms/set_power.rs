//! `content set-power`.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::change;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
        offered,
    },
    context::Context,
    error::Failure,
    matrix::{Error, leaders::Powers, names},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The user; one of another server as @user:server
    #[arg(add = offered::users())]
    pub(crate) user: String,
    /// `user`, `moderator` (50), `admin` (100) or a number
    #[arg(allow_negative_numbers = true)]
    pub(crate) level: Level,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// What everybody has.
    User,
    Number(i64),
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// The largest number that JSON of Matrix may hold.
        const LARGEST: i64 = (1 << 53) - 1;
        match text {
            "user" => Ok(Self::User),
            "moderator" => Ok(Self::Number(50)),
            "admin" => Ok(Self::Number(100)),
            _ => match text.parse() {
                Ok(level) if (-LARGEST..=LARGEST).contains(&level) => Ok(Self::Number(level)),
                _ => Err("must be `user`, `moderator`, `admin` or a number".to_owned()),
            },
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    pub(crate) room_id: String,
    pub(crate) user_id: String,
    /// The power level that they have now.
    pub(crate) power: i64,
    /// What they had before.
    pub(crate) before: i64,
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { room, user, level, sending } = args;
    let operator = sending.operator(context)?;
    let user_id = names::anyone(&user, operator.server_name())?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let powers = Powers::of(&operator, &room_id).await?;
    if powers.is_creator(user_id.as_str()) {
        let message = format!(
            "`{user_id}` made the room `{room_id}`, and stands above all numbers since room version 12"
        );
        return Err(Failure::request(message)
            .hinted("`content list-members ROOM` lists who has which power")
            .into());
    }
    if !powers.levels.is_object() {
        return Err(Error::lacks("the room", "m.room.power_levels").into());
    }
    let before = powers.level_of(user_id.as_str());
    let power = match level {
        Level::User => powers.everybodys(),
        Level::Number(power) => power,
    };
    let changed = power != before;
    if changed {
        context.would(format_args!("give {user_id} the power {power} in {room_id}"))?;
        let content = with(powers.levels, user_id.as_str(), level);
        change::put((&client, &room_id), &sending, context, "m.room.power_levels", content).await?;
    }
    let (room_id, user_id) = (room_id.into(), user_id.into());
    Ok(Reply::done_if(changed, Set { room_id, user_id, power, before, changed }))
}

/// The levels of a room with one more of them; all else stays as it is.
fn with(mut levels: Value, user: &str, level: Level) -> Value {
    if !levels["users"].is_object() {
        levels["users"] = json!({});
    }
    if let Some(users) = levels["users"].as_object_mut() {
        match level {
            Level::User => users.remove(user),
            Level::Number(power) => users.insert(user.to_owned(), power.into()),
        };
    }
    levels
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { room_id, user_id, power, changed, .. } = self;
        let has = if *changed { "now has" } else { "already has" };
        format!("{user_id} {has} the power {power} in {room_id}")
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_or_a_number() {
        assert_eq!("moderator".parse(), Ok(Level::Number(50)));
        assert_eq!("-1".parse(), Ok(Level::Number(-1)));
        for wrong in ["Admin", "", "1.5", "9007199254740992"] {
            wrong.parse::<Level>().unwrap_err();
        }
    }

    #[test]
    fn all_else_in_the_levels_stays_as_it_is() {
        let levels = json!({ "ban": 50, "users": { "@a:h": 100, "@b:h": 50 } });
        let set = with(levels.clone(), "@b:h", Level::Number(7));
        assert_eq!(set, json!({ "ban": 50, "users": { "@a:h": 100, "@b:h": 7 } }));
        assert_eq!(
            with(levels, "@b:h", Level::User),
            json!({ "ban": 50, "users": { "@a:h": 100 } })
        );
    }
}
