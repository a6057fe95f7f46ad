#!/usr/bin/env bash
# The guess: an admin who searches the list of rooms for a room's whole name, exactly as it is written, finds it.
# The truth: not where the name has a capital letter that is not one of ASCII. Synapse makes the search small with
# Python, which knows all letters, and the name with the database, which knows those of ASCII alone (SQLite always,
# PostgreSQL under the locale C that Synapse wants). Part of the name without that letter finds the room.
# Version: matrix-synapse 1.163.2 on SQLite; seen on PostgreSQL 15 as well.
# Source: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#list-room-api and a run. Fails if that
# changes.
set -euo pipefail

folder=$(mktemp -d)
trap '[[ ! -e pid ]] || kill "$(cat pid)" 2>/dev/null || true; rm -rf -- "$folder"' EXIT
cd -- "$folder"

python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check matrix-synapse==1.163.2
cat >search.py <<'PYTHON'
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
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
for name in ["Über uns", "über ihn", "War Room"]:
    ask("_matrix/client/v3/createRoom", {"name": name})
found = {}
for term in ["War Room", "über ihn", "Über uns", "ber uns"]:
    rooms = ask("_synapse/admin/v1/rooms?search_term=" + urllib.parse.quote(term))["rooms"]
    found[term] = [room["name"] for room in rooms]
server.terminate()
server.wait()
os.remove("pid")
print("matrix-synapse", synapse.__version__, "- SQLite", sqlite3.sqlite_version)
for term, names in found.items():
    print(f"{term!r} finds {names}")
wanted = {"War Room": ["War Room"], "über ihn": ["über ihn"], "Über uns": [], "ber uns": ["Über uns"]}
sys.exit(found != wanted)
PYTHON
env/bin/python search.py
