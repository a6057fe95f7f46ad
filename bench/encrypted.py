"""Whether people with encryption can read each other after a restore: clients stay open over it, with keys on the server that
were given out since the backup. `KEEP=1` puts these keys back, as a dump of everything would: then the message cannot be read,
which this script then expects. Needs npm.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from common import PROGRAM, instance, run, until

SDK = "matrix-js-sdk@38.1.0"
HERE = pathlib.Path(__file__).resolve().parent
TABLE = "e2e_one_time_keys_json"
# What a file holds of the table, or puts into it.
COPY = """
import sys, psycopg2, yaml
args = yaml.safe_load(open(sys.argv[1]))["database"]["args"]
with psycopg2.connect(**{name: value for name, value in args.items() if not name.startswith("cp_")}) as database:
    with open(sys.argv[2], sys.argv[3]) as file:
        database.cursor().copy_expert(sys.argv[4], file)
"""


def copy(data, file, mode, words):
    python = data / "environments/synapse/bin/python"
    run(python, "-c", COPY, data / "synapse/homeserver.yaml", file, mode, words)


with tempfile.TemporaryDirectory() as folder, instance() as (env, data):
    run("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, SDK)
    shutil.copy(HERE / "encrypted.mjs", folder)
    for name in ("alice", "bob", "carol"):
        run(PROGRAM, "content", "add-user", name, "--password-stdin", env=env, input="a password of nobody")
    made = run(PROGRAM, "content", "create-room", "Secrets", "--encrypted", "--public", "-q", env=env).stdout.strip()
    clients = subprocess.Popen(["node", "encrypted.mjs", f"http://127.0.0.1:{env['MATRIX_SYNAPSE_PORT']}"], cwd=folder,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(do, name, **more):
        clients.stdin.write(json.dumps({"do": do, "name": name, **more}) + "\n")
        clients.stdin.flush()
        answer = json.loads(clients.stdout.readline())
        if "error" in answer:
            sys.exit(f"{do} {name}: {answer['error']}")
        return answer

    def enters(name):
        ask("enter", name, password="a password of nobody")
        ask("join", name, room=made)

    enters("alice")
    enters("bob")
    until(lambda: ask("keys", "bob")["count"] >= 50)
    backup = pathlib.Path(folder) / "backup.tar.zst"
    run(PROGRAM, "manage", "backup", "--to", str(backup), env=env)
    before, after, used = (pathlib.Path(folder) / name for name in ("before", "after", "used"))
    copy(data, before, "w", f"COPY {TABLE} TO STDOUT")
    # This takes one of bob's keys.
    event = ask("say", "alice", room=made, text="before")["event_id"]
    assert ask("read", "bob", room=made, event_id=event) == {"text": "before", "encrypted": True}
    copy(data, after, "w", f"COPY {TABLE} TO STDOUT")
    given = set(before.read_text().splitlines()) - set(after.read_text().splitlines())
    assert any("@bob:" in line for line in given)
    used.write_text("".join(f"{line}\n" for line in given))
    run(PROGRAM, "manage", "restore", str(backup), "--force", "--start", env=env)
    until(lambda: ask("keys", "bob")["count"] >= 50)
    if os.environ.get("KEEP"):
        copy(data, used, "r", f"COPY {TABLE} FROM STDIN")
    enters("carol")
    event = ask("say", "carol", room=made, text="after")["event_id"]
    read = ask("read", "bob", room=made, event_id=event)
    print(f"after the restore bob reads of carol: {read}")
    clients.stdin.close()
    clients.wait()
    is_readable = read == {"text": "after", "encrypted": True}
    sys.exit(0 if is_readable != bool(os.environ.get("KEEP")) else 1)
