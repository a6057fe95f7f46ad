"""Dendrite against Synapse, each installed by this program with the same database and the same rooms: what it has in memory
when it has started and after MESSAGES in ROOMS, how long a warm start takes, and one message to it against curl's. DENDRITE
names a Dendrite that is built already; without it Go builds one.
"""

import json
import os
import subprocess
import uuid

from common import PROGRAM, finish, in_turns, instance, run, say, seconds, session, warm_start

MESSAGES = int(os.environ.get("MESSAGES", "1000"))
ROOMS = int(os.environ.get("ROOMS", "10"))
KINDS = {
    "synapse": {"MATRIX_SYNAPSE_ENCRYPTION_ENABLED": "false"},
    "dendrite": {
        "MATRIX_SYNAPSE_SERVER_KIND": "dendrite",
        **({"MATRIX_SYNAPSE_DENDRITE_BINARY": os.environ["DENDRITE"]} if "DENDRITE" in os.environ else {}),
    },
}


def memory(env, kind):
    status = json.loads(run(PROGRAM, "status", "--verbose", "--format", "json", env=env).stdout)
    return next(it["memory_bytes"] for it in status["services"] if it["name"] == kind) / 2**20


def measured(kind, lines):
    with instance(start=False, more=KINDS[kind]) as (env, data):
        warm_start(env)
        start = sorted(warm_start(env) for _ in range(3))[1]
        run(PROGRAM, "manage", "start", env=env)
        first = memory(env, kind)
        rooms = [
            run(PROGRAM, "content", "create-room", f"Room {n}", "--no-encryption", "-q", env=env).stdout.strip()
            for n in range(ROOMS)
        ]
        for room in rooms:
            run(PROGRAM, "content", "send-message", room, "--file", lines, "--timeout", "300", env=env)
        after = memory(env, kind)
        operator = session(data)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True, "env": env}
        head = ["-H", f"Authorization: Bearer {operator['access_token']}", "-H", "Content-Type: application/json"]

        def curl():
            url = f"{operator['url']}/_matrix/client/v3/rooms/{rooms[0]}/send/m.room.message/{uuid.uuid4()}"
            body = json.dumps({"msgtype": "m.text", "body": "hello"})
            return seconds(lambda: subprocess.run(["curl", "-sf", "-X", "PUT", *head, "-d", body, url], **quiet))

        def ours():
            return seconds(lambda: subprocess.run([PROGRAM, "content", "send-message", rooms[0], "hello"], **quiet))

        return {"start": start, "first": first, "after": after, "message": in_turns(ours, curl, 50)}


def main():
    lines = f"/tmp/rms-bench-{uuid.uuid4()}.txt"
    with open(lines, "w") as file:
        file.writelines(f"line {n}\n" for n in range(MESSAGES // ROOMS))
    try:
        light, large = measured("dendrite", lines), measured("synapse", lines)
    finally:
        os.unlink(lines)
    finish(
        say("memory of Dendrite that has started, against Synapse", light["first"], large["first"], 0.6, "MiB"),
        say(f"the same after {MESSAGES} messages in {ROOMS} rooms", light["after"], large["after"], 0.8, "MiB"),
        say("`manage start`, warm, against Synapse", light["start"], large["start"], 1.0),
        say("`content send-message` to Dendrite, against curl", *light["message"], 1.1),
    )


main()
