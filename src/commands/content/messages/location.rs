//! `content send-location`.

use std::str::FromStr;

use serde_json::{Value, json};

use super::post::{Post, Posted, command};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            NowOrLater, QueueArg, ReplyArg, RoomArg, Sending, TransactionArg,
            queue::{Account, Later},
            transaction::quoted,
        },
    },
    context::Context,
    matrix::message,
    outbox::entry::What,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The place, such as geo:51.5008,0.1247
    #[arg(value_name = "GEO_URI")]
    pub(crate) place: Geo,
    /// What is there
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    #[command(flatten)]
    pub(crate) reply: ReplyArg,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

/// A place as RFC 5870 writes it.
#[derive(Clone, Debug)]
pub(crate) struct Geo(String);

impl FromStr for Geo {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            "must be such as geo:51.5008,0.1247, latitude first, or geo:51.5008,0.1247;u=35";
        let (place, parameters) = text.split_once(';').unwrap_or((text, ""));
        let numbers = place.strip_prefix("geo:").ok_or(wrong)?;
        let plain = |part: &str| part.bytes().all(|byte| b"-.0123456789".contains(&byte));
        let numbers: Option<Vec<f64>> = numbers
            .split(',')
            .map(|part| if plain(part) { part.parse().ok() } else { None })
            .collect();
        let on_earth = match numbers.as_deref() {
            Some([latitude, longitude] | [latitude, longitude, _]) => {
                latitude.abs() <= 90.0 && longitude.abs() <= 180.0
            }
            _ => false,
        };
        let is_uri = parameters.bytes().all(|byte| byte.is_ascii_graphic()) && text.len() <= 255;
        if on_earth && is_uri { Ok(Self(text.to_owned())) } else { Err(wrong) }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<NowOrLater<Posted>> {
    let Args { room, place, description, reply, transaction, queue, sending } = args;
    let (id, at) = (transaction.id()?, reply.place()?);
    let mut content = content(&place.0, description.as_deref());
    message::check_size(&content)?;
    if queue.queue {
        let account = Account::of(context, &sending)?;
        let later = Later {
            room: room.as_str().to_owned(),
            what: What::Content(content),
            place: at,
            transaction: transaction.transaction_id,
        };
        let left = queue.leave(context, &sending, &account, vec![later]).await?;
        return Ok(left.map(NowOrLater::Later));
    }
    let (client, room_id) = sending.to_room(context, &room).await?;
    let found = reply.find(&sending, context, &client, &room_id).await?;
    found.relate(&mut content, client.user_id());
    message::check_size(&content)?;
    context.would(format_args!("send {} to {room_id}", place.0))?;
    let mut command = command("send-location", &room, [place.0.as_str()], &sending);
    if let Some(text) = &description {
        command += &format!(" --description {}", quoted(text));
    }
    command += &reply.words();
    let (sending, client, room, transaction) = (&sending, &client, &room_id, &transaction);
    let post = Post { context, sending, client, room, transaction, command };
    Ok(Reply::done(NowOrLater::Now(post.send("m.room.message", &content, id).await?)))
}

/// A place as the specification has it, and beside it as MSC3488 does under the names that clients read today;
/// its stable names belong to extensible events, which no room version has.
fn content(uri: &str, description: Option<&str>) -> Value {
    let body = description.unwrap_or(uri);
    let mut place = json!({ "uri": uri });
    if let Some(description) = description {
        place["description"] = description.into();
    }
    json!({
        "msgtype": "m.location",
        "body": body,
        "geo_uri": uri,
        "m.mentions": {},
        "org.matrix.msc1767.text": body,
        "org.matrix.msc3488.location": place,
        "org.matrix.msc3488.asset": { "type": "m.pin" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_on_earth_and_latitude_comes_first() {
        for good in ["geo:51.5008,0.1247", "geo:-90,180", "geo:1,2,3;u=35;crs=wgs84"] {
            assert_eq!(good.parse::<Geo>().unwrap().0, good);
        }
        for bad in [
            "51.5,0.1",
            "geo:",
            "geo:1",
            "geo:91,0",
            "geo:0,181",
            "geo:nan,1",
            "geo:1,2;u= 3",
            "geo:1e1,2",
        ] {
            assert!(bad.parse::<Geo>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_place_is_read_by_clients_of_either_way() {
        let place = content("geo:1,2", Some("Home"));
        assert_eq!((&place["body"], &place["geo_uri"]), (&"Home".into(), &"geo:1,2".into()));
        let newer = json!({ "uri": "geo:1,2", "description": "Home" });
        assert_eq!(place["org.matrix.msc3488.location"], newer);
        assert_eq!(content("geo:1,2", None)["body"], "geo:1,2");
    }
}
