"""A rolling change under load: clients send, sync and ask through the proxy all the time while workers come and
go. While generic ones do, no request fails; while event persisters do, what is refused (502, 503) is accepted
when it is sent again with the same transaction id. What was accepted is compared with what the server holds.
"""

import collections
import http.client
import json
import threading
import time

from common import PROGRAM, finish, free_port, instance, run, session

SENDERS = 3
more = {f"MATRIX_SYNAPSE_PROXY_{kind}_PORT": str(free_port()) for kind in ("HTTP", "HTTPS", "FEDERATION")}
more |= {"MATRIX_SYNAPSE_PROFILE": "scale", "MATRIX_SYNAPSE_WORKERS": "generic=1,event_persister=1"}

with instance(more=more) as (env, data):
    # The install wrote it down; the variable would win over what `manage scale` writes.
    del env["MATRIX_SYNAPSE_WORKERS"]
    token = session(data)["access_token"]
    port = int(env["MATRIX_SYNAPSE_PROXY_HTTP_PORT"])
    rooms = [run(PROGRAM, "content", "create-room", f"Roll {n}", "--no-encryption", "-q", env=env).stdout.strip() for n in range(SENDERS)]
    over = threading.Event()
    seen = collections.Counter()
    longest, reopened = [0.0], []
    sent = {room: [] for room in rooms}

    def ask(connection, method, path, body=None):
        """The status, or what became of the connection. One that nginx closed between two requests is opened
        anew, as every HTTP client does."""
        kept = connection.sock is not None
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if not kept:
                return type(error).__name__
            reopened.append(path)
            return ask(connection, method, path, body)

    def sender(room):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        n = 0
        while not over.is_set():
            name = f"{n}"
            n += 1
            sent[room].append(name)
            path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/roll{name}"
            begin = time.monotonic()
            while True:
                status = ask(connection, "PUT", path, json.dumps({"msgtype": "m.text", "body": name}))
                seen[f"send {status}"] += 1
                if status == 200:
                    break
                time.sleep(0.05)
            longest[0] = max(longest[0], time.monotonic() - begin)

    def syncer():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not over.is_set():
            status = ask(connection, "GET", "/_matrix/client/v3/sync?timeout=1000&filter=%7B%22room%22:%7B%22timeline%22:%7B%22limit%22:1%7D%7D%7D")
            seen[f"sync {status}"] += 1

    def asker():
        """The proxy repeats no POST that was sent: whoever leaves has to have answered it."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not over.is_set():
            status = ask(connection, "POST", "/_matrix/client/v3/keys/query", '{"device_keys":{}}')
            seen[f"post {status}"] += 1
            time.sleep(0.02)

    def during(what, lists):
        """The requests that were made while the workers changed so."""
        seen.clear()
        reopened.clear()
        longest[0] = 0
        over.clear()
        threads = [threading.Thread(target=sender, args=(room,)) for room in rooms] + [threading.Thread(target=each) for each in (syncer, asker)]
        for room in rooms:
            sent[room].append(None)
        [thread.start() for thread in threads]
        time.sleep(1)
        for workers in lists:
            run(PROGRAM, "manage", "scale", "--workers", workers, env=env)
            time.sleep(1)
        over.set()
        [thread.join() for thread in threads]
        failed = {name: count for name, count in seen.items() if not name.endswith(" 200")}
        print(f"{what}: {sum(seen.values())} requests, not accepted at once: {failed or 'none'}; "
              f"the longest message took {longest[0]:.1f} s; {len(reopened)} idle connections closed", flush=True)
        return failed

    def whole(room, text):
        page = run(PROGRAM, "content", "read-messages", room, "--limit", "1000", "--format", "json", env=env)
        bodies = [message["body"] for message in json.loads(page.stdout)["messages"]]
        return bodies == text

    # Each phase has rooms of its own: `read-messages` is asked for no more than it gives.
    generic = during("generic 1, 2, 3, 1", [f"generic={n},event_persister=1" for n in (2, 3, 1)])
    kept = [whole(room, [name for name in names if name]) for room, names in sent.items()]
    rooms = [run(PROGRAM, "content", "create-room", f"Write {n}", "--no-encryption", "-q", env=env).stdout.strip() for n in range(SENDERS)]
    sent = {room: [] for room in rooms}
    writers = during("event_persister 1, 2, 1", [f"generic=1,event_persister={n}" for n in (2, 1)])
    kept += [whole(room, [name for name in names if name]) for room, names in sent.items()]
    passing = all(name.split()[1] in ("502", "503") for name in writers)
    print(f"nothing lost, doubled or out of order: {all(kept)}; only 502 and 503: {passing}")
    finish(not generic, passing, all(kept))
