// People with encrypted rooms, each with a client of their own that stays open: matrix-js-sdk with its
// crypto, whose keys are in memory. They send keys only to devices that their owner has signed, and read only
// what such devices sent. One JSON document a line comes in and one a line goes out.

import { createInterface } from "node:readline";

// The library counts on it, and Node.js has it from 22 on.
Promise.withResolvers ??= function () {
    const made = {};
    made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }));
    return made;
};

// It talks on stdout, which is ours.
for (const level of ["log", "trace", "debug", "info", "warn", "error"]) console[level] = () => {};
const sdk = await import("matrix-js-sdk");
const {
    CryptoEvent, OnlySignedDevicesIsolationMode, VerificationPhase, VerifierEvent, decodeRecoveryKey, encodeRecoveryKey,
} = await import("matrix-js-sdk/lib/crypto-api/index.js");
const base = process.argv[2];
const people = {};
const asked = {};
const compared = {};
const recovery = {};
const pause = () => new Promise((done) => setTimeout(done, 20));

// `own`: makes the person's own identity and keeps its secrets on the server; `recover`: has them from there,
// which signs this device too. Without either the device stays unsigned. `backup`: has the keys backed up as well;
// `recovery_key`: opens what another program put there, the backup too.
async function enter({ name, user, password, own, recover, backup, recovery_key }) {
    const door = sdk.createClient({ baseUrl: base });
    const login = await door.loginRequest({
        type: "m.login.password", password, identifier: { type: "m.id.user", user },
    });
    const client = sdk.createClient({
        baseUrl: base, accessToken: login.access_token, userId: login.user_id, deviceId: login.device_id,
        cryptoCallbacks: {
            getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], recovery[user]],
        },
    });
    await client.initRustCrypto({ useIndexedDB: false });
    const crypto = client.getCrypto();
    crypto.setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
    people[name] = client;
    client.on(CryptoEvent.VerificationRequestReceived, (request) => (asked[name] = request));
    const ready = new Promise((done) => client.on(sdk.ClientEvent.Sync, (state) => state === "PREPARED" && done()));
    await client.startClient({ initialSyncLimit: 100 });
    await ready;
    if (own) {
        await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (make) => make(null) });
        await crypto.bootstrapSecretStorage({
            setupNewSecretStorage: true,
            setupNewKeyBackup: backup ?? false,
            createSecretStorageKey: async () => {
                const key = await crypto.createRecoveryKeyFromPassphrase();
                recovery[user] = key.privateKey;
                return key;
            },
        });
    }
    if (recovery_key) recovery[user] = decodeRecoveryKey(recovery_key);
    if (recover) {
        // What is to be had must be known first.
        await crypto.userHasCrossSigningKeys(login.user_id, true);
        await crypto.bootstrapCrossSigning({});
    }
    if (recovery_key) {
        await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
        await crypto.restoreKeyBackup();
    }
    const signed = async () => (await crypto.getDeviceVerificationStatus(login.user_id, login.device_id))?.signedByOwner ?? false;
    // What was uploaded comes back with what the server tells of oneself.
    for (const until = Date.now() + 5000; (own || recover) && Date.now() < until && !(await signed()); ) await pause();
    return { user_id: login.user_id, device_id: login.device_id, signed: await signed() };
}

async function join({ name, room }) {
    await people[name].joinRoom(room);
    // Until it has heard of it, it would write in the clear.
    while (!(await people[name].getCrypto().isEncryptionEnabledInRoom(room))) await pause();
    return {};
}

async function leave({ name, room }) {
    await people[name].leave(room);
    return {};
}

async function say({ name, room, content }) {
    const { event_id } = await people[name].sendMessage(room, content);
    return { event_id };
}

function shown(event) {
    const wire = event.getWireContent();
    const it = { event_id: event.getId(), sender: event.getSender(), encrypted: event.isEncrypted() };
    if (it.encrypted) Object.assign(it, { session_id: wire.session_id, ciphertext: wire.ciphertext });
    if (event.isDecryptionFailure()) return { ...it, failed: event.decryptionFailureReason };
    return { ...it, type: event.getType(), content: event.getContent(), reply: event.replyEventId ?? null };
}

// An event as somebody's client shows it. What it cannot read yet, it may some moments later: for `seconds`, 10
// where nothing is said. With `edited` it is waited for until it is not as it was sent.
async function read({ name, room, event_id, seconds, edited }) {
    const until = Date.now() + (seconds ?? 10) * 1000;
    for (;;) {
        const event = people[name].getRoom(room)?.findEventById(event_id);
        const is_late = Date.now() > until;
        if (event && !event.isBeingDecrypted()) {
            // The edit is known before it has been opened.
            const better = event.replacingEvent()?.getContent()["m.new_content"];
            const is_read = !event.isDecryptionFailure() && (!edited || better);
            if (is_read || is_late) return shown(event);
        } else if (is_late) return { missing: true };
        await pause();
    }
}

// All that was sealed in a room, in order, asked for anew and opened with the keys that are there.
async function history({ name, room }) {
    const client = people[name];
    const events = [];
    for (let from = null; ; ) {
        const page = await client.createMessagesRequest(room, from, 100, sdk.Direction.Backward);
        events.push(...page.chunk);
        if (!page.end || page.chunk.length === 0) break;
        from = page.end;
    }
    const sealed = events.reverse().filter((it) => it.type === "m.room.encrypted").map((it) => new sdk.MatrixEvent(it));
    for (const event of sealed) await client.decryptEventIfNeeded(event);
    return { events: sealed.map(shown) };
}

// What somebody who is not there any more makes of an event that another was sent.
async function open({ name, room, event_id, from }) {
    const event = new sdk.MatrixEvent(await people[from].fetchRoomEvent(room, event_id));
    await people[name].decryptEventIfNeeded(event);
    return shown(event);
}

// What somebody's client thinks of the devices of another.
async function devices({ name, user_id }) {
    const crypto = people[name].getCrypto();
    const known = (await crypto.getUserDeviceInfo([user_id], true)).get(user_id) ?? new Map();
    const devices = {};
    for (const id of known.keys()) {
        devices[id] = (await crypto.getDeviceVerificationStatus(user_id, id))?.signedByOwner ?? false;
    }
    return { devices };
}

// Signs another device of the same person.
async function sign({ name, device_id }) {
    const crypto = people[name].getCrypto();
    await crypto.getUserDeviceInfo([people[name].getUserId()], true);
    await crypto.crossSignDevice(device_id);
    return {};
}

// What others know this client and its owner by.
async function fingerprints({ name }) {
    const crypto = people[name].getCrypto();
    return { identity: await crypto.getCrossSigningKeyId(), device: (await crypto.getOwnDeviceKeys()).ed25519 };
}

async function trusts({ name, user_id }) {
    return { verified: (await people[name].getCrypto().getUserVerificationStatus(user_id)).isCrossSigningVerified() };
}

// Another identity of the same person, as whoever has lost the first makes one.
async function reset({ name, user, password }) {
    const identifier = { type: "m.id.user", user };
    const allowed = (make) => make(null).catch(({ data: { session } }) =>
        make({ type: "m.login.password", identifier, password, session }));
    await people[name].getCrypto().bootstrapCrossSigning({
        setupNewCrossSigning: true, authUploadDeviceSigningKeys: allowed,
    });
    return {};
}

async function until(what, found) {
    for (const end = Date.now() + 30000; ; await pause()) {
        const it = found();
        if (it) return it;
        if (Date.now() > end) throw new Error(`in vain: ${what}`);
    }
}

async function soon(what, it) {
    let timer;
    const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`in vain: ${what}`)), 30000)));
    return await Promise.race([it, late]).finally(() => clearTimeout(timer));
}

// What a client shows that compares: it asks a device, or in a room, or is asked.
async function compare({ name, user_id, device_id, room }) {
    const crypto = people[name].getCrypto();
    let request;
    if (room) request = await crypto.requestVerificationDM(user_id, room);
    else if (device_id) {
        await crypto.getUserDeviceInfo([user_id], true);
        request = await crypto.requestDeviceVerification(user_id, device_id);
    } else {
        request = await until("it is asked", () => asked[name]);
        delete asked[name];
        await request.accept();
    }
    await until("it is accepted", () => request.phase >= VerificationPhase.Ready);
    const verifier = request.initiatedByMe
        ? await request.startVerification("m.sas.v1")
        : await until("it begins", () => request.verifier);
    const shown = new Promise((done) => verifier.on(VerifierEvent.ShowSas, done));
    const done = verifier.verify().then(() => null, (error) => String(error));
    const sas = verifier.getShowSasCallbacks() ?? (await soon("it is shown", Promise.race([shown, done])));
    compared[name] = { sas, done };
    return { emoji: sas.sas.emoji, decimal: sas.sas.decimal };
}

// The person says whether it is the same; what came of it.
async function same({ name, is }) {
    const { sas, done } = compared[name];
    if (is) await sas.confirm();
    return { failed: await soon("it ends", done) };
}

// What opens the secret storage of a person, as they would type it.
async function recovery_key({ user }) {
    return { recovery_key: encodeRecoveryKey(recovery[user]) };
}

async function logout({ name }) {
    await people[name].logout(true);
    delete people[name];
    return {};
}

const known = {
    enter, join, leave, say, read, history, open, devices, sign, recovery_key, logout,
    fingerprints, trusts, reset, compare, same,
};
const answer = (it) => process.stdout.write(JSON.stringify(it) + "\n");
for await (const line of createInterface({ input: process.stdin })) {
    const question = JSON.parse(line);
    try {
        answer(await known[question.do](question));
    } catch (error) {
        answer({ error: String(error.stack ?? error) });
    }
}
process.exit(0);
