#!/usr/bin/env bash
# The guess: a homeserver answers the same PUT of a message on the same device with the same event, also after it was
# restarted: the transaction id is there so that a client that lost the answer may ask again.
# The truth: Dendrite has transaction ids in memory alone. While it runs the second PUT gets the first event; after a restart
# it makes another one, and `/sync` shows both with the same `unsigned.transaction_id`, which `/messages` does not show at all.
# Version: github.com/matrix-org/dendrite v0.13.8 (Go module), on SQLite.
# Source: https://spec.matrix.org/latest/client-server-api/#transaction-identifiers and a run. Fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
pid=''
trap '[[ -z $pid ]] || kill "$pid" 2>/dev/null || true; chmod -R u+w "$folder"; rm -rf -- "$folder"' EXIT
cd -- "$folder"

export GOPATH=$folder/go GOBIN=$folder/bin GOCACHE=$folder/cache
# With C, for SQLite.
CGO_ENABLED=1 go install github.com/matrix-org/dendrite/cmd/dendrite@v0.13.8 \
    github.com/matrix-org/dendrite/cmd/generate-keys@v0.13.8 \
    github.com/matrix-org/dendrite/cmd/generate-config@v0.13.8 2>/dev/null
printf 'Dendrite %s\n' "$(bin/dendrite -version)"
bin/generate-keys --private-key matrix_key.pem >/dev/null
bin/generate-config -server test.example -db "file:$folder/dendrite.db" -dir "$folder" >dendrite.yaml
sed -i 's/registration_shared_secret: ""/registration_shared_secret: "secret"/' dendrite.yaml
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

start() {
    bin/dendrite -config dendrite.yaml -http-bind-address "127.0.0.1:$port" >>server.log 2>&1 &
    pid=$!
    until python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/_matrix/client/versions')" 2>/dev/null; do
        kill -0 "$pid"
        sleep 0.2
    done
}

cat >ask.py <<'PYTHON'
import hashlib
import hmac
import json
import pathlib
import sys
import urllib.parse
import urllib.request

base = f"http://127.0.0.1:{sys.argv[1]}/"
state = pathlib.Path("state.json")


def ask(method, path, body=None, token=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, method=method)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


if not state.exists():
    register = "_synapse/admin/v1/register"
    nonce = ask("GET", register)["nonce"]
    words = [nonce, "ann", "a-long-password", "notadmin"]
    mac = hmac.new(b"secret", "\0".join(words).encode(), hashlib.sha1).hexdigest()
    account = {"nonce": nonce, "username": "ann", "password": "a-long-password", "admin": False, "mac": mac}
    token = ask("POST", register, account)["access_token"]
    room = ask("POST", "_matrix/client/v3/createRoom", {}, token)["room_id"]
    state.write_text(json.dumps([token, room]))
token, room = json.loads(state.read_text())
path = f"_matrix/client/v3/rooms/{urllib.parse.quote(room)}"
sent = ask("PUT", path + "/send/m.room.message/one", {"msgtype": "m.text", "body": "once"}, token)
again = ask("PUT", path + "/send/m.room.message/one", {"msgtype": "m.text", "body": "once"}, token)
page = ask("GET", path + "/messages?dir=b&limit=10", None, token)["chunk"]
shown = ask("GET", "_matrix/client/v3/sync?timeout=0", None, token)["rooms"]["join"][room]["timeline"]["events"]
texts = [event for event in page if event["type"] == "m.room.message"]
named = [event for event in shown if event.get("unsigned", {}).get("transaction_id") == "one"]
print(
    "the same" if sent == again else "another",
    len(texts),
    len(named),
    sum("transaction_id" in event.get("unsigned", {}) for event in texts),
)
PYTHON
start
first=$(python3 ask.py "$port")
kill "$pid"
wait "$pid" || true
start
second=$(python3 ask.py "$port")
printf 'repeated at once, messages, in /sync with the id, in /messages with it\nbefore the restart: %s\nafter it: %s\n' "$first" "$second"
[[ $first == 'the same 1 1 0' && $second == 'the same 2 2 0' ]]
