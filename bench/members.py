"""What the first message into an encrypted room of many costs, of which every device is claimed a key and sent one: ours against
matrix-js-sdk, whose client is open already. `MEMBERS` have two devices each. Needs npm and uv.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from common import PROGRAM, ROOT, finish, instance, run, say, seconds, session

MEMBERS = int(os.environ.get("MEMBERS", "200"))
PASSWORD = "a password of nobody"
CLIENTS = ROOT / "test/clients"
ONE_TIME_KEYS = 4


def call(base, method, path, body, token=None):
    request = urllib.request.Request(base + path, json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def signed(it, user, signers):
    """With the signatures of these, each a name of a key and who has it."""
    text = json.dumps(it, sort_keys=True, separators=(",", ":")).encode()
    it["signatures"] = {user: {f"ed25519:{name}": key.sign(text).to_base64() for name, key in signers}}
    return it


def member(base, operator, name, room):
    """Somebody with an identity and two devices that it has signed."""
    user = f"@{name}:bench.example"
    call(base, "PUT", f"/_synapse/admin/v2/users/{user}", {"password": PASSWORD}, operator)
    master, signing, verifying = Account(), Account(), Account()
    public = lambda key, usage: {"user_id": user, "usage": [usage], "keys": {
        f"ed25519:{key.ed25519_key.to_base64()}": key.ed25519_key.to_base64()}}
    by_master = [(master.ed25519_key.to_base64(), master)]
    for n in range(2):
        login = call(base, "POST", "/_matrix/client/v3/login", {
            "type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}, "password": PASSWORD,
            "device_id": f"DEVICE{n}"})
        token, account = login["access_token"], Account()
        if n == 0:
            call(base, "POST", "/_matrix/client/v3/keys/device_signing/upload", {
                "master_key": public(master, "master"),
                "self_signing_key": signed(public(signing, "self_signing"), user, by_master),
                "user_signing_key": signed(public(verifying, "user_signing"), user, by_master)}, token)
        device = f"DEVICE{n}"
        keys = {"user_id": user, "device_id": device,
                "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
                "keys": {f"curve25519:{device}": account.curve25519_key.to_base64(),
                         f"ed25519:{device}": account.ed25519_key.to_base64()}}
        account.generate_one_time_keys(ONE_TIME_KEYS)
        own = [(device, account)]
        once = {f"signed_curve25519:{id}": signed({"key": key.to_base64()}, user, own)
                for id, key in account.one_time_keys.items()}
        by = own + [(signing.ed25519_key.to_base64(), signing)]
        call(base, "POST", "/_matrix/client/v3/keys/upload",
             {"device_keys": signed(keys, user, by), "one_time_keys": once}, token)
    call(base, "POST", f"/_synapse/admin/v1/join/{room}", {"user_id": user}, operator)


more = {"MATRIX_SYNAPSE_BCRYPT_ROUNDS": "4", "MATRIX_SYNAPSE_LOGINS_BURST": "100000"}
with instance(more=more) as (env, data), tempfile.TemporaryDirectory(prefix="rms-bench-members-") as folder:
    folder = pathlib.Path(folder)
    packages = folder / "python"
    run("uv", "pip", "install", "--quiet", "--target", packages, "vodozemac==0.10.0")
    sys.path.append(str(packages))
    from vodozemac import Account

    for name in ("package.json", "package-lock.json", "people.mjs"):
        shutil.copy(CLIENTS / name, folder)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", cwd=folder)
    base = f"http://127.0.0.1:{env['MATRIX_SYNAPSE_PORT']}"
    operator = session(data)["access_token"]
    run(PROGRAM, "content", "add-user", "alice", "--password-stdin", input=PASSWORD, env=env)
    made = run(PROGRAM, "content", "create-room", "Many", "--encrypted", "--invite", "alice", "-q", env=env)
    room = made.stdout.strip()
    node = subprocess.Popen(["node", "people.mjs", base], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(**asked):
        print(json.dumps(asked | {"name": "alice"}), file=node.stdin, flush=True)
        answer = json.loads(node.stdout.readline())
        assert "error" not in answer, answer
        return answer

    ask(do="enter", user="alice", password=PASSWORD, own=True)
    ask(do="join", room=room)
    for n in range(MEMBERS):
        member(base, operator, f"member{n}", room)
    words = (PROGRAM, "content", "send-message", room)
    # The account has its device, as after any message before.
    run(PROGRAM, "content", "keys", "backup", env=env)
    ours = seconds(lambda: run(*words, "the first", env=env))
    peer = seconds(lambda: ask(do="say", room=room, content={"msgtype": "m.text", "body": "the first of hers"}))
    second = seconds(lambda: run(*words, "the second", env=env))
    node.kill()
    print(f"the second message: {second * 1000:.0f} ms")
    finish(say(f"the first message into a room of {MEMBERS} members with {2 * MEMBERS} devices", ours, peer, 1.5))
