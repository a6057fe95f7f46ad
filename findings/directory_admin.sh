#!/usr/bin/env bash
# The guess: by default Synapse lets nobody but its admins list a room in the room directory, so an admin's
# `visibility: public` lists one.
# The truth: an admin is refused like everybody else, in two ways: `createRoom` makes the room, answers 200 and
# leaves the wish out without a word; `PUT /directory/list/room` is 403 with M_UNKNOWN instead of M_FORBIDDEN.
# Only a rule of `room_list_publication_rules` allows it.
# Version: matrix-synapse 1.163.2 (the default since 1.126).
# Source: https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html#room_list_publication_rules
# and a run. Fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
pid=''
trap '[[ -z $pid ]] || kill "$pid" 2>/dev/null || true; rm -rf -- "$folder"' EXIT
cd -- "$folder"

python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check matrix-synapse==1.163.2
env/bin/python -c 'import synapse; print("matrix-synapse", synapse.__version__)'
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env/bin/python -m synapse.app.homeserver --server-name test.example --config-path plain.yaml --data-directory data \
    --generate-config --report-stats=no >/dev/null 2>&1
sed -i "s/port: 8008/port: $port/" plain.yaml

# run CONFIG: as it is read by a fresh process.
run() {
    env/bin/python -m synapse.app.homeserver -c "$1" >"$1.log" 2>&1 &
    pid=$!
    until python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health')" 2>/dev/null; do
        kill -0 "$pid"
        sleep 0.2
    done
}

ended() {
    kill "$pid"
    wait "$pid" || true
    pid=''
}

run plain.yaml
env/bin/register_new_matrix_user -u admin -p a-password -a -c plain.yaml "http://127.0.0.1:$port" >/dev/null
cat >ask.py <<'PYTHON'
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

base = f"http://127.0.0.1:{sys.argv[1]}/_matrix/client/v3/"
token = None


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, method=method)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "admin"}, "password": "a-password"}
token = ask("POST", "login", login)[1]["access_token"]
made, room = ask("POST", "createRoom", {"preset": "public_chat", "visibility": "public"})
room = urllib.parse.quote(room["room_id"])
visibility = ask("GET", f"directory/list/room/{room}")[1]["visibility"]
status, said = ask("PUT", f"directory/list/room/{room}", {"visibility": "public"})
print("createRoom", made, "leaves it", visibility, "- PUT", status, said.get("errcode", "done"))
PYTHON
default=$(python3 ask.py "$port")
ended

{
    cat plain.yaml
    printf '\nroom_list_publication_rules:\n  - user_id: "@admin:test.example"\n    action: allow\n'
} >rule.yaml
run rule.yaml
rule=$(python3 ask.py "$port")
ended

printf 'by default: %s\nwith a rule: %s\n' "$default" "$rule"
[[ $default == 'createRoom 200 leaves it private - PUT 403 M_UNKNOWN' ]]
[[ $rule == 'createRoom 200 leaves it public - PUT 200 done' ]]
