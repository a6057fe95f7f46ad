//! Comparing emoji with somebody, or with another device of one's own: over messages to devices, or in a room where both
//! are. What has begun is in memory alone, and ends with this program; the specification gives it ten minutes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use matrix_sdk_crypto::{
    CancelInfo, CollectStrategy, MegolmError, Sas, SasState, UserIdentity, Verification,
    VerificationRequest, VerificationRequestState,
    types::{
        events::room::encrypted::EncryptedEvent,
        requests::{
            AnyOutgoingRequest, OutgoingVerificationRequest, RoomMessageRequest, ToDeviceRequest,
        },
    },
};
use ruma::{
    DeviceId, OwnedDeviceId, OwnedEventId, OwnedUserId, RoomId, TransactionId, UserId,
    api::client::{
        keys::upload_signatures,
        message::{get_message_events, send_message_event},
    },
    events::{
        AnyMessageLikeEventContent, AnyTimelineEvent, MessageLikeEventContent as _,
        key::verification::{VerificationMethod, cancel::CancelCode},
        room::message::RoomMessageEventContent,
    },
    serde::Raw,
};
use serde::Deserialize;
use serde_json::{Value, value::to_raw_value};

use super::{Account, Error, decryption, encrypt::Only, room, to_device};
use crate::{
    store::Stores,
    wire::{Answer, Signed, Stage, Verify},
};

/// How long whoever has asked may take to begin; after that we do.
const THEIR_TURN: Duration = Duration::from_secs(3);
/// When a device that does not answer is asked a second time, and then each time again.
const SOON: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(10);
/// How many of the latest events of a room are looked at.
const LATEST: u32 = 50;
/// What is older than the specification gives it is no request any more, in milliseconds.
const OLD: u64 = 600_000;

/// What goes on with others.
#[derive(Default)]
pub(super) struct Flows {
    open: BTreeMap<String, Flow>,
    /// What was begun without a request, which the library does not list.
    begun: BTreeMap<OwnedUserId, String>,
    /// What is to be sent, in this order: the library takes it for sent.
    unsent: VecDeque<OutgoingVerificationRequest>,
    signatures: Vec<upload_signatures::v3::Request>,
    /// What was heard in rooms.
    heard: BTreeSet<OwnedEventId>,
}

#[derive(Clone)]
struct Flow {
    request: Option<VerificationRequest>,
    sas: Option<Sas>,
    since: Instant,
    /// What asks a device, and when it is asked again: one that has not heard yet of ours passes over what it says.
    again: Option<(ToDeviceRequest, Instant)>,
}

impl Flow {
    fn new(request: Option<VerificationRequest>, sas: Option<Sas>) -> Self {
        Self { request, sas, since: Instant::now(), again: None }
    }

    /// One that is asked by this.
    fn asked(request: VerificationRequest, by: &OutgoingVerificationRequest) -> Self {
        let mut it = Self::new(Some(request), None);
        if let OutgoingVerificationRequest::ToDevice(by) = by {
            it.again = Some((by.clone(), it.since + SOON));
        }
        it
    }
}

impl Account {
    pub(super) async fn verify(&mut self, stores: &Stores, step: Verify) -> Result<Answer, Error> {
        let answer = self.step(stores, step).await;
        // Another device may have signed this one.
        if let Some(own) = self.own_device().await? {
            self.state.signed = own.is_cross_signed_by_owner();
        }
        // Whoever is trusted now gets keys, and whoever is not any more gets none.
        self.rooms.values_mut().for_each(|known| known.room.session.is_shared = false);
        answer
    }

    async fn step(&mut self, stores: &Stores, step: Verify) -> Result<Answer, Error> {
        match step {
            Verify::Show { user_id } => {
                Ok(Answer::Trust(self.trust(stores, &user(&user_id)?).await?))
            }
            Verify::Sign { user_id, device_id, fingerprint } => {
                let device = device_id.map(OwnedDeviceId::from);
                let (user, given) = (user(&user_id)?, fingerprint.as_deref());
                let outcome = self.sign_known(stores, &user, device, given).await?;
                Ok(Answer::Signed { outcome })
            }
            Verify::Forget { user_id } => {
                let outcome = self.forget_verified(&user(&user_id)?).await?;
                Ok(Answer::Signed { outcome })
            }
            Verify::Begin { user_id, device_id, room_id, bare } => {
                let device = device_id.map(OwnedDeviceId::from);
                let in_room = room_id.as_deref().map(room).transpose()?;
                let (user, device) = (user(&user_id)?, device.as_deref());
                match self.begin(stores, &user, (device, bare), in_room.as_deref()).await? {
                    Ok(flow) => Ok(Answer::Flow { flow: Some(flow), stage: Stage::Asked }),
                    Err(outcome) => Ok(Answer::Signed { outcome }),
                }
            }
            Verify::Look { user_id, room_id, flow } => {
                let in_room = room_id.as_deref().map(room).transpose()?;
                self.look(stores, &user(&user_id)?, in_room.as_deref(), flow).await
            }
            Verify::Confirm { user_id: _, flow } => {
                if let Some(Flow { sas: Some(sas), .. }) = self.flows.open.get(&flow).cloned() {
                    let (requests, signatures) = sas.confirm().await?;
                    self.flows.unsent.extend(requests);
                    self.flows.signatures.extend(signatures);
                }
                self.speak(stores).await?;
                let stage = self.stage(stores, &flow).await?;
                Ok(Answer::Flow { flow: Some(flow), stage })
            }
            Verify::Cancel { user_id: _, flow, differs } => {
                if let Some(known) = self.flows.open.get(&flow).cloned() {
                    self.end(stores, &known, differs).await?;
                }
                // Also that the library has ended it by itself.
                self.speak(stores).await?;
                let stage = self.stage(stores, &flow).await?;
                Ok(Answer::Flow { flow: Some(flow), stage })
            }
        }
    }

    /// Asks somebody; what stands in its way is said.
    async fn begin(
        &mut self,
        stores: &Stores,
        user: &UserId,
        (device, bare): (Option<&DeviceId>, bool),
        in_room: Option<&RoomId>,
    ) -> Result<Result<String, Signed>, Error> {
        self.know(user).await?;
        // The library forgets what has ended when it is told something, and cancels whatever is asked while something goes on.
        self.own_keys = None;
        self.sync().await?;
        self.end_all(stores, user).await?;
        let methods = || vec![VerificationMethod::SasV1];
        if let Some(device) = device {
            let Some(device) = self.machine.get_device(user, device, None).await? else {
                return Ok(Err(Signed::NoDevice));
            };
            if bare {
                let (sas, request) = device.start_verification().await?;
                self.http.send(to_device(&request)).await?;
                return Ok(Ok(self.keep(Flow::new(None, Some(sas)))));
            }
            let (request, outgoing) = device.request_verification_with_methods(methods());
            let flow = Flow::asked(request, &outgoing);
            self.tell(stores, outgoing).await?;
            return Ok(Ok(self.keep(flow)));
        }
        let flow = match (self.identity(user).await?, in_room) {
            (Some(UserIdentity::Own(own)), _) => {
                let (request, outgoing) = own.request_verification_with_methods(methods()).await?;
                let flow = Flow::asked(request, &outgoing);
                self.tell(stores, outgoing).await?;
                flow
            }
            (Some(UserIdentity::Other(other)), Some(in_room)) => {
                // What was said there before is not about this.
                self.hear(in_room, false).await?;
                let content = other.verification_request_content(Some(methods()));
                let content = RoomMessageEventContent::new(content);
                let message = RoomMessageRequest {
                    room_id: in_room.to_owned(),
                    txn_id: TransactionId::new(),
                    content: Box::new(AnyMessageLikeEventContent::RoomMessage(content)),
                };
                let event = self.say(stores, &message).await?.event_id;
                self.flows.heard.insert(event.clone());
                Flow::new(Some(other.request_verification(in_room, &event, Some(methods()))), None)
            }
            (Some(UserIdentity::Other(_)), None) => return Ok(Err(Signed::NoDevice)),
            (None, _) => return Ok(Err(Signed::NoIdentity)),
        };
        Ok(Ok(self.keep(flow)))
    }

    /// Keeps it, and says what it is called.
    fn keep(&mut self, flow: Flow) -> String {
        let request = flow.request.as_ref().map(VerificationRequest::flow_id);
        let id = request.or_else(|| flow.sas.as_ref().map(Sas::flow_id));
        let id = id.map_or_else(String::new, |id| id.as_str().to_owned());
        self.flows.open.insert(id.clone(), flow);
        id
    }

    /// Takes up what has come, and goes on with what it is about.
    async fn look(
        &mut self,
        stores: &Stores,
        user: &UserId,
        in_room: Option<&RoomId>,
        flow: Option<String>,
    ) -> Result<Answer, Error> {
        if flow.is_none() {
            // What a device says that is not known is passed over.
            self.know(user).await?;
        }
        // The library sees what takes too long when it is told something.
        self.own_keys = None;
        self.sync().await?;
        if let Some(in_room) = in_room {
            self.hear(in_room, true).await?;
        }
        self.speak(stores).await?;
        let Some(flow) = flow.or_else(|| self.offered(user)) else {
            return Ok(Answer::Flow { flow: None, stage: Stage::Asked });
        };
        let stage = self.stage(stores, &flow).await?;
        // Keys that answer what was just accepted.
        self.speak(stores).await?;
        if stage == Stage::Done {
            self.know(user).await?;
        }
        Ok(Answer::Flow { flow: Some(flow), stage })
    }

    /// What somebody has begun.
    fn offered(&mut self, user: &UserId) -> Option<String> {
        let request =
            self.machine.get_verification_requests(user).into_iter().find(|it| {
                !(it.we_started() || it.is_passive() || it.is_cancelled() || it.is_done())
            });
        if let Some(request) = request {
            return Some(self.keep(Flow::new(Some(request), None)));
        }
        let begun = self.flows.begun.remove(user)?;
        let Some(Verification::SasV1(sas)) = self.machine.get_verification(user, &begun) else {
            return None;
        };
        Some(self.keep(Flow::new(None, Some(*sas))))
    }

    /// How far it is, once what is our turn has been done.
    async fn stage(&mut self, stores: &Stores, id: &str) -> Result<Stage, Error> {
        let Some(mut flow) = self.flows.open.get(id).cloned() else { return Ok(Stage::Gone) };
        let mut stage = Stage::Gone;
        if let Some(request) = &flow.request {
            stage = match request.state() {
                VerificationRequestState::Created { .. } => {
                    if let Some((asks, next)) = &mut flow.again
                        && *next <= Instant::now()
                    {
                        *next = Instant::now() + AGAIN;
                        asks.txn_id = TransactionId::new();
                        let asks = asks.clone().into();
                        self.tell(stores, asks).await?;
                    }
                    Stage::Asked
                }
                VerificationRequestState::Requested { .. } => {
                    let methods = vec![VerificationMethod::SasV1];
                    if let Some(outgoing) = request.accept_with_methods(methods) {
                        self.tell(stores, outgoing).await?;
                    }
                    flow.since = Instant::now();
                    Stage::Agreeing
                }
                VerificationRequestState::Ready { .. } => {
                    if (request.we_started() || flow.since.elapsed() > THEIR_TURN)
                        && let Some((sas, outgoing)) = request.start_sas().await?
                    {
                        self.tell(stores, outgoing).await?;
                        flow.sas = Some(sas);
                    }
                    Stage::Agreeing
                }
                VerificationRequestState::Transitioned { verification, .. } => {
                    flow.sas = verification.sas_v1().map(|sas| *sas);
                    Stage::Agreeing
                }
                VerificationRequestState::Done => Stage::Done,
                VerificationRequestState::Cancelled(why) => cancelled(&why),
            };
        }
        if let Some(sas) = &flow.sas {
            if let SasState::Started { .. } = sas.state()
                && let Some(outgoing) = sas.accept()
            {
                self.tell(stores, outgoing).await?;
            }
            stage = compared(&sas.state());
        }
        self.flows.open.insert(id.to_owned(), flow);
        Ok(stage)
    }

    /// Ends all that goes on with somebody.
    async fn end_all(&mut self, stores: &Stores, user: &UserId) -> Result<(), Error> {
        for request in self.machine.get_verification_requests(user) {
            if let Some(outgoing) = request.cancel() {
                self.tell(stores, outgoing).await?;
            }
        }
        if let Some(begun) = self.flows.begun.remove(user)
            && let Some(Verification::SasV1(sas)) = self.machine.get_verification(user, &begun)
            && let Some(outgoing) = sas.cancel()
        {
            self.tell(stores, outgoing).await?;
        }
        self.flows.open.clear();
        self.flows.unsent.clear();
        Ok(())
    }

    async fn end(&mut self, stores: &Stores, flow: &Flow, differs: bool) -> Result<(), Error> {
        let code = if differs { CancelCode::MismatchedSas } else { CancelCode::User };
        let outgoing = match flow {
            Flow { sas: Some(sas), .. } => sas.cancel_with_code(code),
            Flow { request: Some(request), .. } => request.cancel(),
            Flow { .. } => None,
        };
        match outgoing {
            Some(outgoing) => self.tell(stores, outgoing).await,
            None => Ok(()),
        }
    }

    /// Notes what was begun without a request.
    pub(super) fn note_begun<'a>(&mut self, told: impl Iterator<Item = &'a str>) {
        #[derive(Deserialize)]
        struct Start {
            #[serde(rename = "type")]
            kind: String,
            sender: OwnedUserId,
            content: Of,
        }
        #[derive(Deserialize)]
        struct Of {
            transaction_id: String,
        }
        for event in told {
            let Ok(Start { kind, sender, content: Of { transaction_id: id } }) =
                serde_json::from_str(event)
            else {
                continue;
            };
            if kind == "m.key.verification.start"
                && self.machine.get_verification_request(&sender, &id).is_none()
                && self.machine.get_verification(&sender, &id).is_some()
            {
                self.flows.begun.insert(sender, id);
            }
        }
    }

    /// Takes up what is new in a room and about this, or only notes that it is there.
    async fn hear(&mut self, id: &RoomId, takes_up: bool) -> Result<(), Error> {
        let mut latest = get_message_events::v3::Request::backward(id.to_owned());
        latest.limit = LATEST.into();
        let events = self.http.send(latest).await?.chunk;
        let heads: Vec<Option<Head>> =
            events.iter().map(|event| serde_json::from_str(event.json().get()).ok()).collect();
        let answered: BTreeSet<&OwnedEventId> =
            heads.iter().flatten().filter_map(Head::answers).collect();
        let now = ruma::MilliSecondsSinceUnixEpoch::now().0;
        for (event, head) in events.iter().zip(&heads).rev() {
            let Some(head) = head else { continue };
            if self.flows.heard.contains(&head.event_id) {
                continue;
            }
            let is_old = head.origin_server_ts.saturating_add(OLD) < u64::from(now);
            // Somebody else has taken it up, or it has ended.
            if takes_up && !is_old && !answered.contains(&head.event_id) {
                match self.heard(id, event, &head.kind).await? {
                    Heard::Event(event) => self.machine.receive_verification_event(&event).await?,
                    Heard::Later => continue,
                    Heard::Nothing => {}
                }
            }
            self.flows.heard.insert(head.event_id.clone());
        }
        Ok(())
    }

    async fn heard(
        &self,
        id: &RoomId,
        event: &Raw<AnyTimelineEvent>,
        kind: &str,
    ) -> Result<Heard, Error> {
        let clear = if kind == "m.room.encrypted" {
            let sealed = Raw::<EncryptedEvent>::from_json(event.json().to_owned());
            match self.machine.decrypt_room_event(&sealed, id, &decryption()).await {
                Ok(clear) => clear.event,
                Err(MegolmError::Store(error)) => return Err(error.into()),
                // Its key may come yet.
                Err(MegolmError::MissingRoomKey(None)) => return Ok(Heard::Later),
                Err(_) => return Ok(Heard::Nothing),
            }
        } else if kind == "m.room.message" || kind.starts_with("m.key.verification.") {
            event.clone()
        } else {
            return Ok(Heard::Nothing);
        };
        Ok(match clear.deserialize() {
            Ok(AnyTimelineEvent::MessageLike(event)) => Heard::Event(Box::new(event)),
            _ => Heard::Nothing,
        })
    }

    /// Sends all that is ready.
    async fn speak(&mut self, stores: &Stores) -> Result<(), Error> {
        self.send_unsent(stores).await?;
        for request in self.machine.outgoing_requests().await? {
            match request.request() {
                AnyOutgoingRequest::RoomMessage(message) => {
                    let response = self.say(stores, message).await?;
                    self.machine.mark_request_as_sent(request.request_id(), &response).await?;
                }
                other => self.send(request.request_id(), other).await?,
            }
        }
        Ok(())
    }

    async fn tell(
        &mut self,
        stores: &Stores,
        request: OutgoingVerificationRequest,
    ) -> Result<(), Error> {
        self.flows.unsent.push_back(request);
        self.send_unsent(stores).await
    }

    /// What the homeserver does not take now stays.
    async fn send_unsent(&mut self, stores: &Stores) -> Result<(), Error> {
        while let Some(request) = self.flows.unsent.front().cloned() {
            match request {
                OutgoingVerificationRequest::ToDevice(request) => {
                    self.http.send(to_device(&request)).await?;
                }
                OutgoingVerificationRequest::InRoom(message) => {
                    self.say(stores, &message).await?;
                }
            }
            self.flows.unsent.pop_front();
        }
        while let Some(signatures) = self.flows.signatures.last().cloned() {
            self.upload(signatures).await?;
            self.flows.signatures.pop();
        }
        Ok(())
    }

    /// Says it in a room, encrypted where the room is: for all devices, as nobody can be verified who cannot read it.
    async fn say(
        &mut self,
        stores: &Stores,
        message: &RoomMessageRequest,
    ) -> Result<send_message_event::v3::Response, Error> {
        let RoomMessageRequest { room_id, txn_id, content } = message;
        let kind = content.event_type().to_string();
        let content = serde_json::to_value(content)?;
        let to = (CollectStrategy::AllDevices, Only::Anybody);
        let (kind, content): (_, Value) =
            match self.seal(stores, room_id, &kind, &content, to).await {
                Ok((sealed, _)) => ("m.room.encrypted".to_owned(), sealed),
                Err(Error::Plain(_)) => (kind, content),
                Err(error) => return Err(error),
            };
        let content = Raw::from_json(to_raw_value(&content)?);
        let (room, id, kind) = (room_id.clone(), txn_id.clone(), kind.into());
        let request = send_message_event::v3::Request::new_raw(room, id, kind, content);
        Ok(self.http.send(request).await?)
    }
}

/// What an event of a room is.
enum Heard {
    Event(Box<ruma::events::AnyMessageLikeEvent>),
    Later,
    Nothing,
}

#[derive(Deserialize)]
struct Head {
    event_id: OwnedEventId,
    #[serde(rename = "type")]
    kind: String,
    origin_server_ts: u64,
    #[serde(default)]
    content: Content,
}

#[derive(Default, Deserialize)]
struct Content {
    #[serde(rename = "m.relates_to")]
    relates_to: Option<Relation>,
}

#[derive(Deserialize)]
struct Relation {
    rel_type: Option<String>,
    event_id: Option<OwnedEventId>,
}

impl Head {
    /// The request that it goes on with.
    fn answers(&self) -> Option<&OwnedEventId> {
        let relation = self.content.relates_to.as_ref()?;
        let is_answer = relation.rel_type.as_deref() == Some("m.reference");
        relation.event_id.as_ref().filter(|_| is_answer)
    }
}

fn user(id: &str) -> Result<OwnedUserId, Error> {
    OwnedUserId::try_from(id).map_err(|_| Error::Id(id.to_owned()))
}

fn compared(state: &SasState) -> Stage {
    match state {
        SasState::Created { .. } | SasState::Started { .. } | SasState::Accepted { .. } => {
            Stage::Agreeing
        }
        SasState::KeysExchanged { emojis, decimals } => {
            let emoji = emojis.iter().flat_map(|it| it.indices.iter().zip(&it.emojis));
            let emoji = emoji.map(|(index, emoji)| {
                (*index, emoji.symbol.to_owned(), emoji.description.to_owned())
            });
            Stage::Compare { emoji: emoji.collect(), decimals: (*decimals).into() }
        }
        SasState::Confirmed => Stage::Confirmed,
        SasState::Done { .. } => Stage::Done,
        SasState::Cancelled(why) => cancelled(why),
    }
}

fn cancelled(why: &CancelInfo) -> Stage {
    Stage::Cancelled {
        code: why.cancel_code().to_string(),
        reason: why.reason().to_owned(),
        by_us: why.cancelled_by_us(),
    }
}
