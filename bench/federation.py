"""Messages between two servers of ours over verified TLS: from the send on one to the long poll on the other.

What is promised holds for a machine that does nothing else."""

import json
import statistics
import threading
import time
import urllib.parse
import urllib.request

from common import PROGRAM, finish, free_port, instance, run, say, session

COUNT = 100
# What is promised for a message over loopback, in seconds.
PROMISED = 0.150


def settings(port):
    """A homeserver called `localhost:PORT`, with a certificate of its own."""
    return {
        "MATRIX_SYNAPSE_SERVER_NAME": f"localhost:{port}",
        "MATRIX_SYNAPSE_PROFILE": "isms",
        "MATRIX_SYNAPSE_PROXY_HTTP_PORT": str(free_port()),
        "MATRIX_SYNAPSE_PROXY_HTTPS_PORT": str(free_port()),
        "MATRIX_SYNAPSE_PROXY_FEDERATION_PORT": str(port),
        "MATRIX_SYNAPSE_TLS_CERTIFICATE": "own",
        "MATRIX_SYNAPSE_IP_RANGE_WHITELIST": "127.0.0.0/8,::1",
    }


def befriend(env, data, other_name):
    """It speaks to the server of that name alone, and believes the CA in that one's data folder."""
    env |= {
        "MATRIX_SYNAPSE_FEDERATION": "private",
        "MATRIX_SYNAPSE_FEDERATION_SERVERS": other_name,
        "MATRIX_SYNAPSE_FEDERATION_CA_LIST": str(data / "tls/ca.pem"),
    }


def api(it, method, path, body=None):
    request = urllib.request.Request(it["url"] + path, method=method)
    request.add_header("Authorization", "Bearer " + it["access_token"])
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=60) as answer:
        return json.load(answer)


def messages(sender, receiver, room):
    """How long each of COUNT messages takes to be in the other's long poll, in seconds."""
    quoted = urllib.parse.quote(room)
    only = urllib.parse.quote(json.dumps({"room": {"rooms": [room], "timeline": {"limit": 50}}}))
    arrived, times = {}, []
    since = api(receiver, "GET", f"/_matrix/client/v3/sync?filter={only}")["next_batch"]
    heard, done = threading.Condition(), threading.Event()

    def listen():
        nonlocal since
        while not done.is_set():
            page = api(receiver, "GET", f"/_matrix/client/v3/sync?filter={only}&timeout=1000&since={since}")
            now = time.monotonic()
            since = page["next_batch"]
            events = page.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", [])
            with heard:
                arrived.update({event["content"].get("body"): now for event in events if event["type"] == "m.room.message"})
                heard.notify()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for number in range(COUNT):
        text = f"{sender['user_id']} {number} {time.time()}"
        begin = time.monotonic()
        api(sender, "PUT", f"/_matrix/client/v3/rooms/{quoted}/send/m.room.message/{urllib.parse.quote(text)}",
            {"msgtype": "m.text", "body": text})
        with heard:
            heard.wait_for(lambda: text in arrived, timeout=60)
        times.append(arrived[text] - begin)
    done.set()
    listener.join(timeout=20)
    return times


ports = [free_port(), free_port()]
names = [f"localhost:{port}" for port in ports]
with (
    instance(start=False, more=settings(ports[0])) as (env_a, data_a),
    instance(start=False, more=settings(ports[1])) as (env_b, data_b),
):
    befriend(env_a, data_b, names[1])
    befriend(env_b, data_a, names[0])
    run(PROGRAM, "manage", "start", env=env_a)
    run(PROGRAM, "manage", "start", env=env_b)
    a, b = session(data_a), session(data_b)
    run(PROGRAM, "content", "federation-check", names[1], env=env_a)
    room = run(PROGRAM, "content", "create-room", "Bench", "--alias", "bench", "--public", "-q", env=env_a).stdout.strip()
    begin = time.monotonic()
    api(b, "POST", "/_matrix/client/v3/join/" + urllib.parse.quote(f"#bench:{names[0]}"), {})
    print(f"join by alias: {(time.monotonic() - begin) * 1000:.0f} ms")
    # The same within one server, in the same run: what the machine's other work does to both.
    local = statistics.median(messages(a, a, room))
    held = []
    for way, sender, receiver in (("there", a, b), ("back", b, a)):
        times = sorted(messages(sender, receiver, room))
        median = statistics.median(times)
        print(f"{way}: p95 {times[int(len(times) * 0.95)] * 1000:.0f} ms")
        say(f"a message {way}, against one within a server", median, local, None)
        held.append(say(f"a message {way}, median, against what is promised", median, PROMISED, 1.0))
finish(*held)
