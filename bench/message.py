"""One message to the real Synapse: the whole process of ours against curl's, in turns."""

import json
import subprocess
import uuid

from common import PROGRAM, finish, in_turns, instance, run, say, seconds, session

with instance() as (env, data):
    operator = session(data)
    room = run(PROGRAM, "content", "create-room", "Message", "--no-encryption", "-q", env=env).stdout.strip()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True, "env": env}

    def ours():
        return seconds(lambda: subprocess.run([PROGRAM, "content", "send-message", room, "hello"], **quiet))

    def curl():
        url = f"{operator['url']}/_matrix/client/v3/rooms/{room}/send/m.room.message/{uuid.uuid4()}"
        head = ["-H", f"Authorization: Bearer {operator['access_token']}", "-H", "Content-Type: application/json"]
        body = json.dumps({"msgtype": "m.text", "body": "hello"})
        return seconds(lambda: subprocess.run(["curl", "-sf", "-X", "PUT", *head, "-d", body, url], **quiet))

    finish(say("content send-message to the real Synapse", *in_turns(ours, curl, 100), 0.90))
