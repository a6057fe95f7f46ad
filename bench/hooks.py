"""Webhooks against sending oneself: how long from a POST until the message can be read in the room, how fast
a burst is accepted, and whether all of it arrives once and in order although processes are killed."""

import concurrent.futures
import http.client
import json
import os
import signal
import statistics
import time
import urllib.parse
import uuid

from common import PROGRAM, finish, instance, run, say, session, until

TIMES = 200
BURST = 1000
CLIENTS = 50


class Way:
    """A connection that is kept: what any program that sends more than once has."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __call__(self, method, path, token, body=None, **headers):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def bodies(way, token, room):
    """All texts of a room, oldest first."""
    found, start = [], None
    while True:
        query = "&from=" + urllib.parse.quote(start) if start else ""
        _, page = way("GET", f"/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=1000{query}", token)
        found += [event["content"]["body"] for event in page["chunk"] if "body" in event["content"]]
        start = page.get("end")
        if not start or not page["chunk"]:
            return found[::-1]


def p95(times):
    return statistics.quantiles(times, n=20)[-1]


with instance() as (env, data):
    operator = session(data)["access_token"]
    matrix, hooks = (int(env[f"MATRIX_SYNAPSE_{name}PORT"]) for name in ("", "HOOKS_"))

    def bot(name):
        words = ["content", "add-bot", name, "--room", f"#{name}", "--hook", "--no-encryption", "--format", "json"]
        made = json.loads(run(PROGRAM, *words, env=env).stdout)
        return made["room"]["room_id"], made["access_token"], made["hook"]["token"]

    room, token, hook = bot("bench")
    reader, sender, poster = Way(matrix), Way(matrix), Way(hooks)
    _, first = reader("GET", "/_matrix/client/v3/sync?timeout=0", token)
    since = first["next_batch"]

    def seen(text):
        """Waits, as a client does, until the room shows it."""
        global since
        while True:
            path = f"/_matrix/client/v3/sync?timeout=10000&since={since}"
            _, page = reader("GET", path, token)
            since = page["next_batch"]
            joined = page.get("rooms", {}).get("join", {}).get(room, {})
            events = joined.get("timeline", {}).get("events", [])
            if any(event["content"].get("body") == text for event in events):
                return

    def timed(send):
        text = uuid.uuid4().hex
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waits = pool.submit(seen, text)
            begin = time.monotonic()
            send(text)
            waits.result()
            return time.monotonic() - begin

    def direct(text):
        path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{uuid.uuid4().hex}"
        status, _ = sender("PUT", path, token, {"msgtype": "m.text", "body": text})
        assert status == 200

    def post(text):
        status, _ = poster("POST", "/hook/bench", hook, {"text": text})
        assert status == 202

    for warm in (direct, post) * 5:
        timed(warm)
    ours, peers = [], []
    for _ in range(TIMES):
        ours.append(timed(post))
        peers.append(timed(direct))
    print(f"median {statistics.median(ours):.4f} s against {statistics.median(peers):.4f} s")
    arrived = say("from a POST until the room shows it, p95", p95(ours), p95(peers), 1.3)

    # A burst, against 100 messages that are sent one after the other.
    begin = time.monotonic()
    for n in range(100):
        direct(str(n))
    hundred = time.monotonic() - begin
    flood_room, _, flood = bot("flood")

    def part(client):
        way = Way(hooks)
        for n in range(BURST // CLIENTS):
            status, body = way("POST", "/hook/flood", flood, {"text": f"{client} {n}"})
            assert status == 202, body

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        begin = time.monotonic()
        list(pool.map(part, range(CLIENTS)))
        burst = time.monotonic() - begin
    accepted = say(f"{BURST} webhooks accepted against 100 sends", burst, hundred, 1)

    # Killed while all of that is being sent.
    def pid(service):
        return json.loads((data / "run/state.json").read_text())["services"][service]["pid"]

    for service in ("hooks", "synapse", "hooks"):
        until(lambda: pid(service))
        os.kill(pid(service), signal.SIGKILL)
        time.sleep(2)

    def waiting():
        listed = run(PROGRAM, "content", "list-hooks", "--format", "json", env=env).stdout
        return sum(hook["waiting"] for hook in json.loads(listed)["hooks"])

    until(lambda: waiting() == 0)
    until(lambda: run(PROGRAM, "status", env=env, check=False).returncode == 0)
    texts = bodies(Way(matrix), operator, flood_room)
    wanted = {client: [f"{client} {n}" for n in range(BURST // CLIENTS)] for client in range(CLIENTS)}
    got = {client: [text for text in texts if text.startswith(f"{client} ")] for client in range(CLIENTS)}
    whole = got == wanted
    print(f"{len(texts)} of {BURST} arrived, each client's in order: {whole}")
    finish(arrived, accepted, whole)
