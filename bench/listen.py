"""`content listen`: killed a hundred times under load, and how fast it catches up against a bare loop that only parses JSON.
`KILLS=N` kills it less often, `EVENTS=N` has it catch up with fewer than 5,000 events.
"""

import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time
import urllib.parse

from common import PROGRAM, finish, in_turns, instance, run, say, seconds, session, until

KILLS = int(os.environ.get("KILLS", 100))
EVENTS = int(os.environ.get("EVENTS", 5_000))
SENDERS = 2


def room(env, name):
    return run(PROGRAM, "content", "create-room", name, "--no-encryption", "-q", env=env).stdout.strip()


def listener(env, records, *words):
    with open(records, "ab") as end:
        return subprocess.Popen([PROGRAM, "content", "listen", *words, "--format", "json"], env=env, stdout=end, stderr=subprocess.DEVNULL)


def said(records):
    """The bodies of the whole lines."""
    lines = pathlib.Path(records).read_text().split("\n")[:-1]
    return [json.loads(line)["content"].get("body") for line in lines]


def send(env, data, rooms, over, log):
    """Messages until it is told to stop; each is in the log before it is sent."""
    port, token = int(env["MATRIX_SYNAPSE_PORT"]), session(data)["access_token"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for n in range(10**6):
        if over.is_set():
            return
        place = rooms[n % len(rooms)]
        text = f"{threading.get_ident()} {n}"
        log.append((place, text))
        body = json.dumps({"msgtype": "m.text", "body": text})
        path = f"/_matrix/client/v3/rooms/{place}/send/m.room.message/{urllib.parse.quote(text)}"
        connection.request("PUT", path, body, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status


def killed(env, data):
    """True if each event was heard once and in order, although the listener was killed again and again."""
    rooms = [[room(env, f"Killed {sender} {n}") for n in range(2)] for sender in range(SENDERS)]
    records, cursor, over = data / "heard.jsonl", data / "cursor", threading.Event()
    words = ("--type", "m.room.message", "--cursor", str(cursor))
    process = listener(env, records, *words)
    until(cursor.exists)
    logs = [[] for _ in rooms]
    threads = [threading.Thread(target=send, args=(env, data, mine, over, log)) for mine, log in zip(rooms, logs)]
    for thread in threads:
        thread.start()
    chance = random.Random(11)
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.02, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = listener(env, records, *words)
    over.set()
    for thread in threads:
        thread.join()
    sent = sum(map(len, logs))
    until(lambda: len(said(records)) >= sent)
    process.kill()
    process.wait()
    heard = [json.loads(line) for line in pathlib.Path(records).read_text().splitlines()]
    for mine, log in zip(rooms, logs):
        for place in mine:
            expected = [text for where, text in log if where == place]
            found = [it["content"]["body"] for it in heard if it["room_id"] == place]
            if found != expected:
                print(f"broken in {place}: {len(found)} of {len(expected)}")
                return False
    print(f"{sent} events, {KILLS} kills: each once and in order")
    return True


def bare(env, data, place, since):
    """The events of a room since a place in the stream, read by a loop that only parses them."""
    port, token = int(env["MATRIX_SYNAPSE_PORT"]), session(data)["access_token"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(path):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return json.loads(connection.getresponse().read())

    nothing = {"types": []}
    timeline = {"limit": 1000, "types": ["m.room.message"]}
    kinds = {"rooms": [place], "timeline": timeline, "ephemeral": nothing, "account_data": nothing, "state": nothing}
    filters = urllib.parse.quote(json.dumps({"presence": nothing, "account_data": nothing, "room": kinds}))
    found = 0
    while found < EVENTS:
        # The server answers for two minutes what it answered to the same question before, which may be less than all.
        news = ask(f"/_matrix/client/v3/sync?since={since}&filter={filters}")
        timeline = news["rooms"]["join"][place]["timeline"]
        found += len(timeline["events"])
        at = timeline["prev_batch"] if timeline.get("limited") else None
        while at:
            page = ask(f"/_matrix/client/v3/rooms/{place}/messages?dir=b&limit=100&from={at}&to={since}")
            found += len(page["chunk"])
            at = page.get("end") if page["chunk"] else None
        since = news["next_batch"]


def behind(env, data, peaks):
    """A listener that has to catch up, and the bare loop; how much memory it took, in MB."""
    place = room(env, "Behind")
    cursor = data / "behind"
    process = listener(env, data / "none", place, "--type", "m.room.message", "--cursor", str(cursor))
    until(cursor.exists)
    process.kill()
    process.wait()
    at = cursor.read_text()
    lines = data / "lines"
    lines.write_text("".join(f"event {n}\n" for n in range(EVENTS)))
    run(PROGRAM, "content", "send-message", place, "--file", str(lines), env=env)

    def ours():
        cursor.write_text(at)
        records = data / "records"
        records.unlink(missing_ok=True)
        process = listener(env, records, place, "--type", "m.room.message", "--cursor", str(cursor))
        took = seconds(lambda: until(lambda: records.exists() and records.read_bytes().count(b"\n") >= EVENTS))
        heard = said(records)
        assert heard == [f"event {n}" for n in range(EVENTS)], (len(heard), heard[:2], heard[-2:])
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        peaks.append(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024)
        process.kill()
        process.wait()
        return took

    since = json.loads(at)["token"]
    return in_turns(ours, lambda: seconds(lambda: bare(env, data, place, since)), 3)


with instance() as (env, data):
    good = killed(env, data)
    peaks = []
    listen, loop = behind(env, data, peaks)
    held = say(f"catch up with {EVENTS} events", listen, loop, 1 / 0.9)
    print(f"at its peak it took {max(peaks):.0f} MB (at most 20)")
    finish(good, held, max(peaks) <= 20)
