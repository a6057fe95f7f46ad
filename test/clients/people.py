"""Somebody with matrix-nio and its encryption, which knows nothing of identities: its devices are signed by nobody, unless another
client of the same person does it. One JSON document a line comes in and one a line goes out, as with people.mjs.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import sys
import types



@contextlib.contextmanager
def atomic_write(path, **_how):
    with open(path, "w", encoding="utf-8") as file:
        yield file


# A package that is had as source alone, for a file whose end nobody here cares for.
sys.modules["atomicwrites"] = types.ModuleType("atomicwrites")
sys.modules["atomicwrites"].atomic_write = atomic_write

import nio  # noqa: E402



class Hash:
    """A commitment is in base64; 0.26 of nio, which alone comes as wheels, has it in hex and compares with nobody but itself."""

    def __init__(self, data):
        self.hash = hashlib.sha256(data)

    def hexdigest(self):
        return base64.b64encode(self.hash.digest()).decode().rstrip("=")


class Established:
    """`hkdf-hmac-sha256`, which it offers, has the base64 that libolm had; 0.26 has what `hkdf-hmac-sha256.v2` would have."""

    def __init__(self, sas):
        self.bytes = sas.bytes
        self.calculate_mac = sas.calculate_mac_invalid_base64


def diffie_hellman(sas, key, plain=nio.crypto.Sas.diffie_hellman):
    return Established(plain(sas, key))


nio.crypto.sas.sha256 = Hash
nio.crypto.Sas.diffie_hellman = diffie_hellman
logging.disable()
BASE, STORE = sys.argv[1:]
people = {}
compared = {}


async def enter(name, user, password, **_how):
    config = nio.AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
    client = people[name] = nio.AsyncClient(BASE, user, store_path=STORE, config=config)
    login = await client.login(password)
    if not isinstance(login, nio.LoginResponse):
        return {"error": str(login)}
    await client.sync(full_state=True)
    if client.should_upload_keys:
        await client.keys_upload()
    return {"user_id": login.user_id, "device_id": login.device_id}


async def join(name, room):
    client = people[name]
    await client.join(room)
    while room not in client.rooms or not client.rooms[room].encrypted:
        await client.sync(timeout=100)
    return {}


async def say(name, room, content):
    sent = await people[name].room_send(room, "m.room.message", content, ignore_unverified_devices=True)
    return {"event_id": sent.event_id} if isinstance(sent, nio.RoomSendResponse) else {"error": str(sent)}


async def read(name, room, event_id, seconds=10):
    """An event, once its key has had time to come."""
    client = people[name]
    for _ in range(seconds * 10):
        await client.sync(timeout=100)
        if client.should_query_keys:
            await client.keys_query()
        event = (await client.room_get_event(room, event_id)).event
        if isinstance(event, nio.MegolmEvent):
            event.room_id = room
            try:
                event = client.decrypt_event(event)
            except nio.EncryptionError as error:
                failed = {"failed": type(error).__name__, "why": str(error)}
                continue
        return {"content": event.source["content"], "encrypted": event.decrypted}
    return failed


async def turn(client):
    await client.sync(timeout=100)
    if client.should_query_keys:
        await client.keys_query()
    await client.send_to_device_messages()


async def compare(name, user_id, device_id=None):
    """What it shows: it begins with a device, or waits until one does."""
    client = people[name]
    before = set(client.key_verifications)
    if device_id:
        while device_id not in client.device_store[user_id]:
            await turn(client)
        await client.start_key_verification(client.device_store[user_id][device_id])
    for _ in range(300):
        for flow, sas in client.key_verifications.items():
            if flow in before:
                continue
            if sas.state is nio.crypto.SasState.started and not sas.we_started_it and not sas.sas_accepted:
                await client.accept_key_verification(flow)
                before.add(flow)
                compared[name] = flow
            if sas.we_started_it:
                compared[name] = flow
        sas = client.key_verifications.get(compared.get(name))
        if sas and sas.state is nio.crypto.SasState.key_received:
            # What it answers is ready and not sent yet.
            await client.send_to_device_messages()
            return {"decimal": sas.get_decimals()}
        await turn(client)
    return {"error": "nothing is shown"}


async def same(name):
    """The person says that it is."""
    client, flow = people[name], compared[name]
    await client.confirm_short_auth_string(flow)
    for _ in range(300):
        sas = client.key_verifications[flow]
        if sas.verified or sas.canceled:
            return {"failed": sas.cancel_reason if sas.canceled else None}
        await turn(client)
    return {"error": "it does not end"}


async def export(name, file, passphrase):
    """Its keys, in the format of clients."""
    await people[name].export_keys(file, passphrase)
    return {}


async def take(name, file, passphrase):
    await people[name].import_keys(file, passphrase)
    return {}


async def main():
    known = {"enter": enter, "join": join, "say": say, "read": read, "export": export, "take": take}
    known |= {"compare": compare, "same": same}
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        try:
            said = await known[asked.pop("do")](**asked)
        except Exception as error:
            said = {"error": repr(error)}
        print(json.dumps(said), flush=True)
    for client in people.values():
        await client.close()


asyncio.run(main())
