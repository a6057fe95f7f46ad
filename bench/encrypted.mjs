// People with encryption, for encrypted.py: their clients stay open while the server is restored.
// One JSON document a line comes in and one a line goes out.

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
const answer = (it) => process.stdout.write(JSON.stringify(it) + "\n");
const base = process.argv[2];
const people = {};
const pause = () => new Promise((done) => setTimeout(done, 50));

async function enter({ name, password }) {
    const door = sdk.createClient({ baseUrl: base });
    const login = await door.loginRequest({
        type: "m.login.password", password, identifier: { type: "m.id.user", user: name },
    });
    const client = sdk.createClient({
        baseUrl: base, accessToken: login.access_token, userId: login.user_id, deviceId: login.device_id,
    });
    await client.initRustCrypto({ useIndexedDB: false });
    // What is read is who wrote it, whom nobody has verified.
    client.getCrypto().globalBlacklistUnverifiedDevices = false;
    await client.startClient({ initialSyncLimit: 20 });
    await new Promise((done) => client.on(sdk.ClientEvent.Sync, (state) => state === "PREPARED" && done()));
    people[name] = client;
    return {};
}

// How many keys for one use the server has of somebody.
async function keys({ name }) {
    const answer = await people[name].http.authedRequest("POST", "/keys/upload", undefined, {});
    return { count: answer.one_time_key_counts.signed_curve25519 ?? 0 };
}

async function join({ name, room }) {
    await people[name].joinRoom(room);
    // Until it has heard of it, it would write in the clear.
    while (!(await people[name].getCrypto().isEncryptionEnabledInRoom(room))) await pause();
    return {};
}

async function say({ name, room, text }) {
    const { event_id } = await people[name].sendTextMessage(room, text);
    return { event_id };
}

// The text of an event as somebody's client shows it, or why it cannot be read.
async function read({ name, room, event_id }) {
    const find = () => people[name].getRoom(room)?.findEventById(event_id);
    for (;;) {
        const event = find();
        if (event && !event.isBeingDecrypted()) {
            if (!event.isDecryptionFailure() && event.getType() === "m.room.message") return { text: event.getContent().body, encrypted: event.isEncrypted() };
            if (event.isDecryptionFailure() && Date.now() - event.getTs() > 15000) return { failed: event.decryptionFailureReason };
        }
        await pause();
    }
}

const known = { enter, keys, join, say, read };
for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    try {
        answer(await known[asked.do](asked));
    } catch (error) {
        answer({ error: String(error) });
    }
}
process.exit(0);
