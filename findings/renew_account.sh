#!/usr/bin/env bash
# The guess: an admin who renews an account on a server whose accounts do not expire is told that there is nothing to
# renew, whether a new end is named or not.
# The truth: with `expiration_ts` the end is stored (200, and read by nobody); without it the server fails with 500, because
# it asserts that it knows a period, which it has only where accounts expire.
# Version: matrix-synapse 1.163.2.
# Source: https://element-hq.github.io/synapse/latest/admin_api/account_validity.html and a run. Fails if that changes.
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
env/bin/python -m synapse.app.homeserver -c plain.yaml >server.log 2>&1 &
pid=$!
until python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health')" 2>/dev/null; do
    kill -0 "$pid"
    sleep 0.2
done
env/bin/register_new_matrix_user -u admin -p a-password -a -c plain.yaml "http://127.0.0.1:$port" >/dev/null

cat >ask.py <<'PYTHON'
import json
import sys
import urllib.error
import urllib.request

base = f"http://127.0.0.1:{sys.argv[1]}/"
token = None


def ask(path, body):
    request = urllib.request.Request(base + path, json.dumps(body).encode(), method="POST")
    if token:
        request.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "admin"}, "password": "a-password"}
token = ask("_matrix/client/v3/login", login)[1]["access_token"]
user = {"user_id": "@admin:test.example"}
renew = "_synapse/admin/v1/account_validity/validity"
until, _ = ask(renew, user | {"expiration_ts": 4_102_444_800_000})
period, said = ask(renew, user)
print("with an end", until, "- without", period, said["errcode"])
PYTHON
found=$(python3 ask.py "$port")
printf '%s\n' "$found"
[[ $found == 'with an end 200 - without 500 M_UNKNOWN' ]]
