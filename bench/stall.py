"""What hangs, what answers and what recovers while Redis or PostgreSQL is there and does not answer, for a
minute each: requests of each sort are made all the time, and what became of them is printed.

usage: stall.py [SECONDS]
"""

import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import signal
import sys
import time
import uuid

from common import finish, free_port, instance, run, PROGRAM, session

SPAN = int(sys.argv[1]) if len(sys.argv) > 1 else 60
PATIENCE = 5
more = {f"MATRIX_SYNAPSE_PROXY_{kind}_PORT": str(free_port()) for kind in ("HTTP", "HTTPS", "FEDERATION")}
more |= {"MATRIX_SYNAPSE_PROFILE": "scale", "MATRIX_SYNAPSE_WORKERS": "generic=1,event_persister=1"}
more["MATRIX_SYNAPSE_PROBE_INTERVAL"] = "5s"


def tree(pid):
    yield pid
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from tree(int(child))


with instance(more=more) as (env, data):
    token = session(data)["access_token"]
    room = run(PROGRAM, "content", "create-room", "Stall", "--no-encryption", "-q", env=env).stdout.strip()
    port = int(env["MATRIX_SYNAPSE_PROXY_HTTP_PORT"])
    sent = []

    def ask(method, path, body=None, headers=True):
        """The status, or `hangs`, or `closed`; and how long it took."""
        head = {"Authorization": f"Bearer {token}"} if headers else {}
        begin = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, head)
            answer = connection.getresponse()
            answer.read()
            return str(answer.status), time.monotonic() - begin
        except TimeoutError:
            return "hangs", time.monotonic() - begin
        except (OSError, http.client.HTTPException):
            return "closed", time.monotonic() - begin
        finally:
            connection.close()

    pending = []

    def send():
        """A message, repeated with its transaction id until it is accepted."""
        if not pending:
            pending.append(str(uuid.uuid4()))
        name = pending[0]
        path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{name}"
        status, took = ask("PUT", path, {"msgtype": "m.text", "body": name})
        if status == "200":
            sent.append(pending.pop())
        return status, took

    base = "/_matrix/client/v3"
    requests = {
        "/health (proxy)": lambda: ask("GET", "/health", headers=False),
        "/versions": lambda: ask("GET", "/_matrix/client/versions", headers=False),
        "whoami": lambda: ask("GET", f"{base}/account/whoami"),
        "sync without waiting": lambda: ask("GET", f"{base}/sync?timeout=0"),
        "a room's messages": lambda: ask("GET", f"{base}/rooms/{room}/messages?dir=b&limit=5"),
        "sending": send,
        "login flows": lambda: ask("GET", f"{base}/login", headers=False),
        "status --fast": lambda: timed("status", "--fast"),
        "status": lambda: timed("status"),
    }

    def timed(*words):
        begin = time.monotonic()
        code = run(PROGRAM, *words, env=env, check=False).returncode
        return f"exit {code}", time.monotonic() - begin

    def watch(until):
        """What became of each sort of request until then."""
        def one(name):
            seen = collections.Counter()
            longest = 0
            while True:
                status, took = requests[name]()
                seen[status] += 1
                longest = max(longest, took)
                if time.monotonic() > until:
                    return name, seen, longest
                time.sleep(0.2)
        with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(one, requests))

    held = []
    for victim in ("redis", "postgres"):
        state = json.loads((data / "run/state.json").read_text())["services"]
        pids = list(tree(state[victim]["pid"]))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        print(f"{victim} does not answer for {SPAN} s:")
        for name, seen, longest in watch(time.monotonic() + SPAN):
            said = ", ".join(f"{count} × {status}" for status, count in seen.most_common())
            print(f"  {name:22} {said}; the longest {longest:.1f} s")
        begin = time.monotonic()
        for pid in pids:
            # A process of PostgreSQL's may have been about to end.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        well = {}
        while len(well) < len(requests) and time.monotonic() - begin < 60:
            for name in requests.keys() - well.keys():
                if requests[name]()[0] in ("200", "exit 0"):
                    well[name] = time.monotonic() - begin
        print(f"  all is well again after {max(well.values()):.1f} s" if len(well) == len(requests)
              else f"  never well again: {requests.keys() - well.keys()}")
        again = json.loads((data / "run/state.json").read_text())["services"]
        print(f"  {victim} was {'not ' if again[victim]['pid'] == state[victim]['pid'] else ''}restarted")
        held.append(len(well) == len(requests))
    send()
    page = json.loads(run(PROGRAM, "content", "read-messages", room, "--limit", "1000", "--format", "json", env=env).stdout)
    bodies = [message["body"] for message in page["messages"]]
    print(f"{len(sent)} messages accepted, {len(bodies)} there, in order and once: {bodies == sent}")
    finish(*held, bodies == sent)
