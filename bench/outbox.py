"""Messages that are left to be sent: what leaving one costs, how many are taken in a second, and how fast they go to ten rooms.

`MESSAGES=N` takes fewer than 1,000 messages. The long proof that each is sent once and in order, whoever is killed, is a test:
`RMS_QUEUE_MESSAGES=5000 RMS_QUEUE_KILLS=200 cargo test --test real queue::what_is_left_is_sent`.
"""

import http.client
import json
import os
import subprocess
import sys
import time

from common import PROGRAM, ROOT, finish, in_turns, instance, run, say, seconds, session

MESSAGES = int(os.environ.get("MESSAGES", 1_000))
ROOMS = 10
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}


def one(env, room):
    """One message left, against curl's `PUT` to a server that does nothing."""
    stub = subprocess.Popen([sys.executable, str(ROOT / "bench/stub.py"), "300"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(stub.stdout.readline())
        url = f"http://127.0.0.1:{port}/_matrix/client/v3/rooms/!r:x.org/send/m.room.message/t1"
        head = ["-H", "Authorization: Bearer t", "-H", "Content-Type: application/json"]
        curl = ["curl", "-s", "-X", "PUT", *head, "-d", json.dumps({"msgtype": "m.text", "body": "hello"}), url]
        ours = [PROGRAM, "content", "send-message", room, "hello", "--queue"]
        return in_turns(
            lambda: seconds(lambda: subprocess.run(ours, env=env, **QUIET)),
            lambda: seconds(lambda: subprocess.run(curl, **QUIET)),
            100,
        )
    finally:
        stub.kill()
        stub.wait()


def lines(data, rooms, number):
    """A file of messages, for one room after the other."""
    path = data / f"lines-{len(rooms)}.jsonl"
    with path.open("w") as file:
        for n in range(number):
            file.write(json.dumps({"room": rooms[n % len(rooms)], "text": f"message {n}"}) + "\n")
    return str(path)


def loop(env, data, room, number):
    """A loop over one kept-alive connection into one room."""
    connection = http.client.HTTPConnection("127.0.0.1", int(env["MATRIX_SYNAPSE_PORT"]), timeout=60)
    head = {"Authorization": f"Bearer {session(data)['access_token']}"}
    for n in range(number):
        path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{time.monotonic_ns()}"
        connection.request("PUT", path, json.dumps({"msgtype": "m.text", "body": f"message {n}"}), head)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()


with instance() as (env, data):
    rooms = [run(PROGRAM, "content", "create-room", f"Queue {n}", "--no-encryption", "-q", env=env).stdout.strip() for n in range(ROOMS)]
    held = [say("one message left with `--queue`", *one(env, rooms[0]), 0.25)]
    run(PROGRAM, "content", "queue", "drain", env=env)

    # All of them are on the disk when the command ends.
    many = lines(data, rooms, 10_000)
    run(PROGRAM, "manage", "stop", env=env)
    took = seconds(lambda: run(PROGRAM, "content", "send-message", "--jsonl", many, "--queue", env=env))
    held.append(say("10,000 messages accepted by one command", took, 10_000 / 2_000, 1.0))
    run(PROGRAM, "content", "queue", "drop", "--waiting", env=env)
    run(PROGRAM, "manage", "start", env=env)
    run(PROGRAM, "content", "queue", "drain", env=env, check=False)

    to_all, to_one = lines(data, rooms, MESSAGES), rooms[:1]
    ours = lambda: seconds(lambda: run(PROGRAM, "content", "send-message", "--jsonl", to_all, env=env))
    peer = lambda: seconds(lambda: loop(env, data, to_one[0], MESSAGES))
    held.append(say(f"{MESSAGES} messages to ten rooms, against a loop that sends as many to one", *in_turns(ours, peer, 3), 1 / 3))
    finish(*held)
