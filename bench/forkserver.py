"""Processes of Synapse that are forked from one import against the same ones that import Synapse each: starts,
restarts, the pause of clients, one more reader, memory and messages. Two servers of the same program take turns.
`MESSAGES=N` sends fewer than 10,000.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import statistics
import threading
import time

from common import PROGRAM, finish, free_port, instance, run, say, seconds, session, warm_start

TIMES = 5
MESSAGES = int(os.environ.get("MESSAGES", 10_000))
CLIENTS = 8
LISTS = ["generic=2,synchrotron=1,event_persister=1,background=1", "generic=1,synchrotron=1,event_persister=1,background=1"]


def server(forks, profile):
    more = {f"MATRIX_SYNAPSE_PROXY_{kind}_PORT": str(free_port()) for kind in ("HTTP", "HTTPS", "FEDERATION")}
    return instance(more=more | {"MATRIX_SYNAPSE_PROFILE": profile, "MATRIX_SYNAPSE_FORKSERVER": forks})


def in_turns(pair, measure):
    """The medians of both; the one that forks comes first."""
    found = [[], []]
    for _ in range(TIMES):
        for place, (env, data) in zip(found, pair):
            place.append(measure(env, data))
    return [statistics.median(one) for one in found]


def restart(*words):
    return lambda env, _: seconds(lambda: run(PROGRAM, "manage", "restart", *words, env=env))


def pause(env, data, *names):
    """From the first request that failed to the first good answer while Synapse is restarted, or everything."""
    port, token = int(env["MATRIX_SYNAPSE_PORT"]), session(data)["access_token"]
    over, failed, back = threading.Event(), [], []

    def ask():
        while not (over.is_set() and back):
            begun = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/_matrix/client/v3/account/whoami", headers={"Authorization": f"Bearer {token}"})
                good = connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                good = False
            if not good and not failed:
                failed.append(begun)
            if good and failed and not back:
                back.append(time.monotonic())
            time.sleep(0.002)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.2)
    run(PROGRAM, "manage", "restart", *names, env=env)
    over.set()
    thread.join()
    return back[0] - failed[0]


def of_synapse(env, data):
    return pause(env, data, "synapse")


def reader(env, data):
    """One more reader until it answers; it is taken away again."""
    took = seconds(lambda: run(PROGRAM, "manage", "scale", "--workers", LISTS[0], env=env))
    run(PROGRAM, "manage", "scale", "--workers", LISTS[1], env=env)
    return took


def processes(data):
    services = json.loads((data / "run/state.json").read_text())["services"]
    of_synapse = (it for name, it in services.items() if name in ("synapse", "forkserver") or "worker" in it["tags"])
    return [it["pid"] for it in of_synapse if it["pid"]]


def memory(data):
    """The sum of what Synapse's processes and what forks them have in memory, in MB."""
    def part(pid):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return sum(map(part, processes(data))) / 1024


def used(data):
    """The CPU time of Synapse's processes, in seconds."""
    def part(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return sum(map(part, processes(data)))


def messages(env, data, count):
    """So many messages from some clients at once: how many a second, and CPU seconds for each."""
    port, token = int(env["MATRIX_SYNAPSE_PROXY_HTTP_PORT"]), session(data)["access_token"]
    rooms = [run(PROGRAM, "content", "create-room", f"Load {time.monotonic()}", "--no-encryption", "-q", env=env).stdout.strip() for _ in range(CLIENTS)]

    def send(room):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for n in range(count // CLIENTS):
            body = json.dumps({"msgtype": "m.text", "body": f"message {n}"})
            connection.request("PUT", f"/_matrix/client/v3/rooms/{room}/send/m.room.message/n{n}", body, {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status

    before, begun = used(data), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send, rooms))
    return count / (time.monotonic() - begun), (used(data) - before) / count


held = []
with server("true", "scale") as forks, server("false", "scale") as alone:
    pair = [forks, alone]
    for env, _ in pair:
        env.pop("MATRIX_SYNAPSE_WORKERS", None)
    first = [memory(data) for _, data in pair]
    held.append(say("memory of main and four workers after the start", *first, 0.70, "MB"))
    held.append(say("manage restart of four workers", *in_turns(pair, restart("worker")), 0.30))
    held.append(say("pause of clients while synapse is restarted, with workers", *in_turns(pair, of_synapse), 0.45))
    held.append(say("one more reader with manage scale", *in_turns(pair, reader), 0.35))
    for env, _ in pair:
        run(PROGRAM, "manage", "restart", env=env)
    rates, costs = [[], []], [[], []]
    for _ in range(5):
        for rate, cost, (env, data) in zip(rates, costs, pair):
            one, other = messages(env, data, MESSAGES // 5)
            rate.append(1 / one)
            cost.append(other * 1000)
    held.append(say("a message of many at once", *map(statistics.median, rates), 1.03))
    held.append(say("CPU time of a message", *map(statistics.median, costs), 1.03, "ms"))
    held.append(say(f"memory after {MESSAGES} messages", *(memory(data) for _, data in pair), 0.80, "MB"))
    for env, _ in pair:
        run(PROGRAM, "manage", "stop", env=env)
    held.append(say("manage start, warm, main and four workers", *in_turns(pair, lambda env, _: warm_start(env)), 0.55))
with server("true", "core") as forks, server("false", "core") as alone:
    pair = [forks, alone]
    held.append(say("pause of clients while everything is restarted, core", *in_turns(pair, pause), 0.60))
    held.append(say("pause of clients while synapse is restarted, core", *in_turns(pair, of_synapse), 0.45))
    for env, _ in pair:
        run(PROGRAM, "manage", "stop", env=env)
    held.append(say("manage start, warm, core", *in_turns(pair, lambda env, _: warm_start(env)), 1.0))
finish(*held)
