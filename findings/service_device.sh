#!/usr/bin/env bash
# The guess: what an application service sends with its token is remembered by its transaction id for a day, as what
# a person sends is; or, for those who know that it is not, nothing helps and the service has to remember for itself.
# The truth: Synapse keeps these ids in memory, and after a restart a repeat is a second message. With a device of the
# user in the address (`PUT /devices/ID?user_id=` makes it without a flag, then `&device_id=ID` beside `user_id`) the
# same repeat is the first message also after a restart: the ids are kept in the database for that device. Nothing has to
# be set in `experimental_features` any more; before, it took a flag and a name with `org.matrix.msc3202.` before it.
# Version: matrix-synapse 1.163.2.
# Source: https://github.com/matrix-org/matrix-spec-proposals/pull/4326 and a run. Fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap '[[ ! -e pid ]] || kill "$(cat pid)" 2>/dev/null || true; rm -rf -- "$folder"' EXIT
cd -- "$folder"

python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check matrix-synapse==1.163.2
cat >service.yaml <<'YAML'
id: app
url: null
as_token: a-token-of-the-service
hs_token: a-token-of-the-homeserver
sender_localpart: app
rate_limited: false
namespaces:
  users: [{exclusive: true, regex: '@app-.*'}]
YAML
cat >device.py <<'PYTHON'
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import synapse

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
base = f"http://127.0.0.1:{port}/_matrix/client/"
user = "@app-ann:test.example"


def ask(method, path, body=None, **query):
    data = None if body is None else json.dumps(body).encode()
    address = f"{base}{path}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(address, data, method=method)
    request.add_header("Authorization", "Bearer a-token-of-the-service")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


make = ["-m", "synapse.app.homeserver", "--server-name", "test.example", "--config-path", "h.yaml"]
make += ["--data-directory", "data", "--generate-config", "--report-stats=no"]
subprocess.run([sys.executable, *make], check=True, capture_output=True)
settings = open("h.yaml").read().replace("port: 8008", f"port: {port}")
open("h.yaml", "w").write(settings + "\napp_service_config_files: [service.yaml]\n")


def start():
    with open("log", "a") as log:
        command = [sys.executable, "-m", "synapse.app.homeserver", "-c", "h.yaml"]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    print(server.pid, file=open("pid", "w"))
    while True:
        try:
            ask("GET", "versions")
            return server
        except urllib.error.URLError:
            assert server.poll() is None
            time.sleep(0.2)


def stop(server):
    server.terminate()
    server.wait()
    os.remove("pid")


server = start()
register = {"type": "m.login.application_service", "username": "app-ann", "inhibit_login": True}
ask("POST", "v3/register", register)
ask("PUT", "v3/devices/RELAY", {"display_name": "relay"}, user_id=user)
room = ask("POST", "v3/createRoom", {"preset": "private_chat"}, user_id=user)["room_id"]


def send(transaction, **device):
    path = f"v3/rooms/{urllib.parse.quote(room)}/send/m.room.message/{transaction}"
    return ask("PUT", path, {"msgtype": "m.text", "body": transaction}, user_id=user, **device)["event_id"]


with_device = {"device_id": "RELAY"}
bare, bare_again = send("bare"), send("bare")
kept, kept_again = send("kept", **with_device), send("kept", **with_device)
stop(server)
server = start()
bare_after, kept_after = send("bare"), send("kept", **with_device)
stop(server)
seen = {
    "without a device": (bare == bare_again, bare == bare_after),
    "with a device": (kept == kept_again, kept == kept_after),
}
print("matrix-synapse", synapse.__version__)
for how, (before, after) in seen.items():
    print(f"{how}: a repeat is the same message: {before}; after a restart: {after}")
sys.exit(seen != {"without a device": (True, False), "with a device": (True, True)})
PYTHON
env/bin/python device.py
