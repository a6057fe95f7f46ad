#!/usr/bin/env bash
# The guess: who asks for one state event of a room gets its content, or M_NOT_FOUND where there is none, or M_FORBIDDEN where
# they may not know: a program that asks whether a room has a topic, or is encrypted, reads the one or the other.
# The truth: Dendrite does so for members. Who has left a room, or is only invited, is answered for a state event that does not
# exist with 200 and the content of the event that made the room.
# Version: github.com/matrix-org/dendrite v0.13.8 (Go module), on SQLite.
# Source: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3roomsroomidstateeventtypestatekey and a run.
# Fails if that changes.
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
import sys
import urllib.error
import urllib.parse
import urllib.request

base = f"http://127.0.0.1:{sys.argv[1]}/"


def ask(method, path, body=None, token=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, method=method)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def account(name):
    register = "_synapse/admin/v1/register"
    nonce = ask("GET", register)[1]["nonce"]
    words = [nonce, name, "a-long-password", "notadmin"]
    mac = hmac.new(b"secret", "\0".join(words).encode(), hashlib.sha1).hexdigest()
    said = {"nonce": nonce, "username": name, "password": "a-long-password", "admin": False, "mac": mac}
    return ask("POST", register, said)[1]["access_token"]


ann, bob, cyd = (account(name) for name in ("ann", "bob", "cyd"))
invited = {"preset": "private_chat", "invite": ["@bob:test.example", "@cyd:test.example"]}
room = ask("POST", "_matrix/client/v3/createRoom", invited, ann)[1]["room_id"]
path = f"_matrix/client/v3/rooms/{urllib.parse.quote(room)}"
ask("POST", path + "/join", {}, bob)
ask("POST", path + "/leave", {}, bob)
for who, token in ("member", ann), ("has left", bob), ("invited", cyd):
    status, said = ask("GET", path + "/state/m.room.topic/", None, token)
    print(who, status, said.get("errcode", ",".join(sorted(said))))
PYTHON
start
said=$(python3 ask.py "$port")
printf 'the topic of a room that has none, by who asks: status and what is in the answer\n%s\n' "$said"
[[ $said == $'member 404 M_NOT_FOUND\nhas left 200 creator,room_version\ninvited 200 creator,room_version' ]]
