"""Whether each of 1,000 encrypted messages arrives once and in order, readable by somebody with matrix-js-sdk, while the service
that keeps keys, Synapse and the command are killed at random, and whether a ratchet is ever used twice. `SEED` makes it another
run, `MESSAGES` a shorter one. Needs npm.
"""

import base64
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from common import PROGRAM, ROOT, instance, run

SEED = int(os.environ.get("SEED", "7"))
MESSAGES = int(os.environ.get("MESSAGES", "1000"))
# What is killed, and how often in proportion. The command is sent again by whoever had it sent.
VICTIMS = {"crypto": 4, "command": 4, "synapse": 1}
LINES = 10
CLIENTS = ROOT / "test/clients"
PASSWORD = "a password of nobody"
chance = random.Random(SEED)
sending = {}
killed = dict.fromkeys(VICTIMS, 0)


def index(ciphertext):
    """The place in the ratchet that a message was made with: a byte for the version, then 8 and a number in groups of seven bits."""
    message = base64.b64decode(ciphertext + "=" * (-len(ciphertext) % 4))
    assert message[:2] == b"\x03\x08"
    number = 0
    for place, byte in enumerate(message[2:]):
        number |= (byte & 127) << 7 * place
        if byte < 128:
            return number


def until_sent(env, *words):
    while True:
        sending["now"] = subprocess.Popen([PROGRAM, "content", "send-message", *words], env=env, text=True,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = sending["now"].communicate()[1]
        status = sending["now"].returncode
        if status == 0:
            return
        if status != -9:
            print(f"exit {status}: {said.strip()}", flush=True)
            time.sleep(0.1)


def send(env, room, folder):
    """Ten lines of a file in turns with ten messages by themselves."""
    for first in range(0, MESSAGES, LINES):
        texts = [f"message {n}" for n in range(first, min(first + LINES, MESSAGES))]
        if first // LINES % 2:
            file = pathlib.Path(folder) / "lines"
            file.write_text("".join(f"{text}\n" for text in texts))
            until_sent(env, room, "--file", str(file))
        else:
            for text in texts:
                until_sent(env, room, text, "--transaction-id", text.replace(" ", "-"))


def kill(env, data):
    victim = chance.choices(list(VICTIMS), VICTIMS.values())[0]
    try:
        if victim == "command":
            pid = sending["now"].pid if sending["now"].poll() is None else None
        else:
            pid = json.loads((data / "run/state.json").read_text())["services"][victim].get("pid")
        if not pid:
            return
        os.kill(pid, 9)
        killed[victim] += 1
    except (ProcessLookupError, KeyError):
        return
    # What ends again and again is left alone for longer and longer, unless somebody asks for it.
    if victim != "command":
        time.sleep(chance.uniform(0, 0.3))
        run(PROGRAM, "manage", "start", env=env, check=False)


with tempfile.TemporaryDirectory() as folder, instance(more={"MATRIX_SYNAPSE_RESTARTS": "1000000"}) as (env, data):
    for name in ("package.json", "package-lock.json", "people.mjs"):
        shutil.copy(CLIENTS / name, folder)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    run(PROGRAM, "content", "add-user", "alice", "--password-stdin", env=env, input=PASSWORD)
    room = run(PROGRAM, "content", "create-room", "Sealed", "--encrypted", "--invite", "alice", "-q", env=env).stdout.strip()
    people = subprocess.Popen(["node", "people.mjs", f"http://127.0.0.1:{env['MATRIX_SYNAPSE_PORT']}"], cwd=folder,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(do, **more):
        people.stdin.write(json.dumps({"do": do, "name": "alice", **more}) + "\n")
        people.stdin.flush()
        answer = json.loads(people.stdout.readline())
        if "error" in answer:
            sys.exit(f"{do}: {answer['error']}")
        return answer

    ask("enter", user="alice", password=PASSWORD, own=True)
    ask("join", room=room)
    sender = threading.Thread(target=send, args=(env, room, folder))
    begun = time.monotonic()
    sender.start()
    while sender.is_alive():
        time.sleep(chance.uniform(0.05, 1))
        kill(env, data)
    took = time.monotonic() - begun
    until = time.monotonic() + 30
    while True:
        events = ask("history", room=room)["events"]
        failed = [event for event in events if "failed" in event]
        if not failed or time.monotonic() > until:
            break
        time.sleep(0.5)
    bodies = [event.get("content", {}).get("body") for event in events]
    used = [(event["session_id"], index(event["ciphertext"])) for event in events]
    wanted = [f"message {n}" for n in range(MESSAGES)]
    print(f"seed {SEED}: {len(events)} of {MESSAGES} in {took:.0f} s, killed {killed}, {len(failed)} cannot be read, "
          f"{len({session for session, _ in used})} sessions")
    for event in failed[:5]:
        print(event)
    if bodies != wanted:
        print("not what was sent:", [it for it in zip(bodies, wanted) if it[0] != it[1]][:5], len(set(bodies)))
    if len(set(used)) != len(used):
        print("used twice:", sorted(it for it in used if used.count(it) > 1))
    people.stdin.close()
    people.wait()
    sys.exit(0 if bodies == wanted and len(set(used)) == len(used) else 1)
