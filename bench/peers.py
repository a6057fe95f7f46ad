"""Single calls against the tools that people use: curl, synadm, matrix-commander and Synapse's own `register_new_matrix_user`.

The two Python tools are installed from PyPI into a folder of their own, or taken from `PEERS` (the `bin` folder of such an environment).
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import uuid

from common import PROGRAM, finish, in_turns, instance, run, say, seconds, session

TIMES = int(os.environ.get("TIMES", 15))
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}


def peers():
    if "PEERS" in os.environ:
        return pathlib.Path(os.environ["PEERS"])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rms-peers-"))
    run(sys.executable, "-m", "venv", str(folder))
    run(str(folder / "bin/pip"), "install", "-q", "synadm==0.49.2", "matrix-commander==8.0.6")
    return folder / "bin"


with instance() as (env, data):
    found, operator = peers(), session(data)
    url, token, user = operator["url"], operator["access_token"], operator["user_id"]
    # matrix-commander does not send to rooms whose id has no server, which those of version 12 have.
    made = run(PROGRAM, "content", "raw", "POST", "/_matrix/client/v3/createRoom", "--data", '{"room_version": "11"}', env=env).stdout
    room = json.loads(made)["room_id"]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rms-peers-"))
    synadm = folder / "synadm.yaml"
    synadm.write_text(
        f"user: '{user}'\ntoken: {token}\nbase_url: {url}\nadmin_path: /_synapse/admin\nmatrix_path: /_matrix\ntimeout: 7\n"
        f"server_discovery: well-known\nhomeserver: bench.example\nssl_verify: false\nformat: json\n"
    )
    synadm.chmod(0o600)
    (folder / "store").mkdir()
    credentials = folder / "credentials.json"
    credentials.write_text(
        json.dumps({"homeserver": url, "device_id": operator["device_id"], "user_id": user, "room_id": room, "access_token": token})
    )

    def ours(*words):
        return lambda: seconds(lambda: subprocess.run([PROGRAM, "content", *words], env=env, **QUIET))

    def peer(*words):
        # A peer that fails would be fast.
        tried = subprocess.run(words, capture_output=True, text=True)
        assert tried.returncode == 0, (words[0], tried.stdout[-500:], tried.stderr[-500:])
        return lambda: seconds(lambda: subprocess.run(words, **QUIET))

    def curl(path):
        return peer("curl", "-sf", "-H", f"Authorization: Bearer {token}", url + path)

    def admin(*words):
        return peer(str(found / "synadm"), "--batch", "-c", str(synadm), *words)

    held = []
    for words, path, theirs in (
        (("get-user", "operator"), f"/_synapse/admin/v2/users/{user}", ("user", "details", user)),
        (("list-users",), "/_synapse/admin/v3/users?limit=1000", ("user", "list")),
        (("list-rooms",), "/_synapse/admin/v1/rooms?limit=1000", ("room", "list")),
    ):
        name = f"content {words[0]}"
        held.append(say(f"{name} against curl", *in_turns(ours(*words), curl(path), TIMES), 1.0))
        held.append(say(f"{name} against synadm", *in_turns(ours(*words), admin(*theirs), TIMES), 0.15))
    send = peer(
        str(found / "matrix-commander"), "-c", str(credentials), "-s", str(folder / "store"), "--no-ssl", "--sync", "off", "-m", "hello"
    )
    held.append(say("content send-message against matrix-commander", *in_turns(ours("send-message", room, "hello"), send, TIMES), 0.15))

    def registered():
        name = f"u{uuid.uuid4().hex[:12]}"
        program = str(data / "environments/synapse/bin/register_new_matrix_user")
        config = str(data / "synapse/homeserver.yaml")
        words = [program, "-c", config, "-u", name, "-p", "a password of some length", "--no-admin", url]
        return seconds(lambda: subprocess.run(words, **QUIET))

    def added():
        return ours("add-user", f"u{uuid.uuid4().hex[:12]}")()

    held.append(say("content add-user against register_new_matrix_user", *in_turns(added, registered, TIMES), 0.55))
    finish(*held)
