#!/usr/bin/env bash
# The guess: a client that asks `/sync` with the token of its last answer is told nothing that it was told before.
# The truth: of a room that it has left and come back to it is told the latest messages again, those from before it
# left among them, as a timeline that says `limited`. So a bot that answers whatever is in the timeline answers old
# messages a second time. Read from the old token to the new one, `/messages` gives each event once.
# Version: matrix-synapse 1.163.2.
# Source: https://spec.matrix.org/latest/client-server-api/#syncing and a run. Fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap '[[ ! -e pid ]] || kill "$(cat pid)" 2>/dev/null || true; rm -rf -- "$folder"' EXIT
cd -- "$folder"

python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check matrix-synapse==1.163.2
cat >sync.py <<'PYTHON'
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import synapse

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
base = f"http://127.0.0.1:{port}/"
token = None


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


make = ["-m", "synapse.app.homeserver", "--server-name", "test.example", "--config-path", "h.yaml"]
make += ["--data-directory", "data", "--generate-config", "--report-stats=no"]
subprocess.run([sys.executable, *make], check=True, capture_output=True)
settings = open("h.yaml").read().replace("port: 8008", f"port: {port}")
open("h.yaml", "w").write(settings)
with open("log", "w") as log:
    server = subprocess.Popen([sys.executable, "-m", "synapse.app.homeserver", "-c", "h.yaml"], stdout=log, stderr=log)
print(server.pid, file=open("pid", "w"))
while True:
    try:
        ask("_matrix/client/versions")
        break
    except urllib.error.URLError:
        assert server.poll() is None
        time.sleep(0.2)
admin = ["env/bin/register_new_matrix_user", "-u", "admin", "-p", "a-password", "-a", "-c", "h.yaml", base]
subprocess.run(admin, check=True, capture_output=True)
login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "admin"}, "password": "a-password"}
token = ask("_matrix/client/v3/login", login)["access_token"]
bob = token
subprocess.run(admin[:2] + ["alice", "-p", "a-password", "--no-admin", "-c", "h.yaml", base], check=True, capture_output=True)
login["identifier"]["user"] = "alice"
alice = ask("_matrix/client/v3/login", login)["access_token"]


def as_user(who, path, body=None):
    global token
    token = who
    return ask("_matrix/client/v3/" + path, body)


def said(events):
    return [event["content"]["body"] for event in events if event["type"] == "m.room.message"]


def sync(since):
    answer = as_user(alice, "sync?since=" + since)
    timeline = answer["rooms"].get("join", {}).get(room, {}).get("timeline", {})
    return answer["next_batch"], said(timeline.get("events", [])), timeline.get("limited")


def send(text):
    as_user(bob, f"rooms/{room}/send/m.room.message", {"msgtype": "m.text", "body": text})


def come():
    as_user(bob, f"rooms/{room}/invite", {"user_id": "@alice:test.example"})
    as_user(alice, f"rooms/{room}/join", {})


room = as_user(bob, "createRoom", {"preset": "private_chat"})["room_id"]
come()
place = as_user(alice, "sync")["next_batch"]
send("one")
send("two")
place, first, _ = sync(place)
as_user(alice, f"rooms/{room}/leave", {})
place, _, _ = sync(place)
come()
send("three")
after, again, limited = sync(place)
pages = as_user(alice, f"rooms/{room}/messages?dir=f&from={place}&to={after}")
once = said(pages["chunk"])
server.terminate()
server.wait()
os.remove("pid")
print("matrix-synapse", synapse.__version__)
print("before it left:", first)
print("after it came back:", again, "limited" if limited else "not limited")
print("by /messages:", once)
sys.exit((first, again, limited, once) != (["one", "two"], ["one", "two", "three"], True, ["three"]))
PYTHON
env/bin/python sync.py
