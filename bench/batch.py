"""1,000 messages from a file against a loop over one kept-alive connection, both in order."""

import http.client
import json
import tempfile
import uuid

from common import PROGRAM, finish, instance, in_turns, run, say, seconds, session

COUNT = 1000

with instance() as (env, data), tempfile.NamedTemporaryFile("w", suffix=".txt") as lines:
    operator = session(data)
    lines.writelines(f"line {n}\n" for n in range(COUNT))
    lines.flush()

    def room():
        return run(PROGRAM, "content", "create-room", f"Batch {uuid.uuid4()}", "--no-encryption", "-q", env=env).stdout.strip()

    def ours():
        target = room()
        took = seconds(lambda: run(PROGRAM, "content", "send-message", target, "--file", lines.name, env=env))
        page = json.loads(run(PROGRAM, "content", "read-messages", target, "--limit", str(COUNT + 10),
                              "--format", "json", env=env).stdout)
        assert [m["body"] for m in page["messages"]] == [f"line {n}" for n in range(COUNT)], "order"
        return took

    def loop():
        target = room()
        connection = http.client.HTTPConnection("127.0.0.1", int(env["MATRIX_SYNAPSE_PORT"]))
        head = {"Authorization": f"Bearer {operator['access_token']}", "Content-Type": "application/json"}

        def send():
            for n in range(COUNT):
                path = f"/_matrix/client/v3/rooms/{target}/send/m.room.message/{uuid.uuid4()}"
                connection.request("PUT", path, json.dumps({"msgtype": "m.text", "body": f"line {n}"}), head)
                answer = connection.getresponse()
                assert answer.status == 200, answer.read()
                answer.read()

        return seconds(send)

    finish(say("1,000 messages in order", *in_turns(ours, loop, 1), 1 / 0.95))
