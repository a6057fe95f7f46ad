//! `content set-join-rule`.

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
    matrix::{Error, room},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Who may join
    pub(crate) rule: Rule,
    /// With `restricted` or `knock-restricted`: whoever is in this room or space may join; may be given again
    #[arg(long, value_name = "ROOM", add = offered::rooms())]
    pub(crate) allow: Vec<String>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rule {
    /// Who is invited
    Invite,
    /// Anybody
    Public,
    /// Who knocks and is let in, beside who is invited
    Knock,
    /// Members of the rooms of `--allow`, beside who is invited
    Restricted,
    /// Members of the rooms of `--allow`, and who knocks and is let in
    KnockRestricted,
}

impl Rule {
    /// As Matrix has it.
    fn word(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Public => "public",
            Self::Knock => "knock",
            Self::Restricted => "restricted",
            Self::KnockRestricted => "knock_restricted",
        }
    }

    /// The first room version that has it (Matrix specification, "Room versions").
    fn since(self) -> u32 {
        match self {
            Self::Invite | Self::Public => 1,
            Self::Knock => 7,
            Self::Restricted => 8,
            Self::KnockRestricted => 10,
        }
    }

    fn allows(self) -> bool {
        matches!(self, Self::Restricted | Self::KnockRestricted)
    }

    fn fits(self, version: Option<&str>) -> Result<(), Failure> {
        // Of a version that is no number nobody knows what it has: the server says it.
        let number = version.and_then(|version| version.parse::<u32>().ok());
        match number {
            Some(number) if number < self.since() => Err(Failure::request(format!(
                "a room of version {number} has no join rule `{}`: it exists since version {}",
                self.word(),
                self.since()
            ))
            .hinted("`content upgrade-room ROOM` makes it one of the newest version")),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    pub(crate) room_id: String,
    /// `invite`, `public`, `knock`, `restricted` or `knock_restricted`.
    pub(crate) join_rule: &'static str,
    /// The ids of the rooms whose members may join.
    pub(crate) allow: Vec<String>,
    /// False where it was so before.
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { room, rule, allow, sending } = args;
    if rule.allows() == allow.is_empty() {
        let (message, hint) = if rule.allows() {
            ("no room was named whose members may join", "name one with `--allow ROOM`")
        } else {
            (
                "`--allow` goes with the rules `restricted` and `knock-restricted`",
                "leave it out, or choose one of these",
            )
        };
        return Err(Failure::request(message).hinted(hint).into());
    }
    let operator = sending.operator(context)?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let found = room::details(&operator, &room_id).await?;
    let found = found.ok_or_else(|| Error::NoRoom(room_id.to_string()))?;
    rule.fits(found.version.as_deref())?;
    let mut allowed: Vec<String> = Vec::new();
    for name in allow {
        let id = sending.room(context, &client, &RoomArg::from(name)).await?;
        if id == room_id {
            return Err(Failure::request("a room is not let into itself").into());
        }
        if !allowed.contains(&id.to_string()) {
            allowed.push(id.into());
        }
    }
    let content = content(rule, &allowed);
    let about = (&RoomArg::from(room_id.as_str()), &sending);
    let what = ("m.room.join_rules", "the join rule");
    let wanted = |now: &Value| (!is_same(now, &content)).then(|| content.clone());
    let (room_id, changed) = change::set(about, context, what, wanted).await?;
    let (room_id, join_rule) = (room_id.into(), rule.word());
    Ok(Reply::done_if(changed, Set { room_id, join_rule, allow: allowed, changed }))
}

fn content(rule: Rule, allowed: &[String]) -> Value {
    let mut content = json!({ "join_rule": rule.word() });
    if rule.allows() {
        let membership = |id| json!({ "type": "m.room_membership", "room_id": id });
        content["allow"] = allowed.iter().map(membership).collect();
    }
    content
}

/// Whether both say the same, in whatever order.
fn is_same(now: &Value, wanted: &Value) -> bool {
    let rooms = |content: &Value| {
        let allow = content["allow"].as_array().into_iter().flatten();
        let mut rooms: Vec<String> = allow.map(|it| it["room_id"].to_string()).collect();
        rooms.sort();
        rooms
    };
    // What was left of a rule before means nothing with another one.
    let counts = wanted.get("allow").is_some();
    now["join_rule"] == wanted["join_rule"] && (!counts || rooms(now) == rooms(wanted))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { room_id, join_rule, changed, .. } = self;
        let is = if *changed { "is now" } else { "is already" };
        format!("the join rule of {room_id} {is} `{join_rule}`")
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_the_rules_that_were_made_for_it_and_earlier_ones() {
        let fits = |version| {
            [Rule::Public, Rule::Knock, Rule::Restricted, Rule::KnockRestricted]
                .map(|rule| rule.fits(version).is_ok())
        };
        assert_eq!(fits(Some("6")), [true, false, false, false]);
        assert_eq!(fits(Some("8")), [true, true, true, false]);
        assert_eq!(fits(Some("12")), [true; 4]);
        assert_eq!(fits(Some("org.example.new")), [true; 4]);
    }

    #[test]
    fn the_same_rooms_in_another_order_are_the_same_rule() {
        let of = |rooms: [&str; 2]| content(Rule::Restricted, &rooms.map(str::to_owned));
        assert!(is_same(&of(["!a", "!b"]), &of(["!b", "!a"])));
        assert!(!is_same(&of(["!a", "!b"]), &of(["!a", "!c"])));
        assert!(!is_same(&content(Rule::Public, &[]), &of(["!a", "!b"])));
        assert!(is_same(
            &json!({ "join_rule": "invite", "allow": [] }),
            &content(Rule::Invite, &[])
        ));
    }
}
