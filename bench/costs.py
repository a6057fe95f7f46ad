"""What a message costs each process: the figures of src/synapse/workers/costs.rs.

Sends messages through the proxy of a server of its own, of one process and then with a worker for each
task, and reads the CPU time of each process from /proc. CPU time, unlike time, hardly depends on what
else the machine does. Prints one figure a line.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import threading
import uuid

MESSAGES = 300
LISTENERS = 8
POLLS = 300
SENDERS = 4
# Who does what is known where each task has a process of its own; the last one only listens.
WORKERS = "event_creator=1,synchrotron=1,event_persister=1,background=1"
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def stat(pid):
    """Fields of proc_pid_stat(5) from the third on."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def cpu_ms(pid):
    """CPU time of a process and of its children, those that have ended too."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = stat(pid)
    total = sum(int(fields[n]) for n in (11, 12, 13, 14)) * TICK_MS
    for child in children:
        fields = stat(child)
        total += (int(fields[11]) + int(fields[12])) * TICK_MS
    return total


def memory_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Api:
    """One kept-alive connection that speaks for one user."""

    def __init__(self, base, token):
        self.base, self.token, self.connection = base, token, None

    def __call__(self, method, path, body=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.base)
        head = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        self.connection.request(method, "/_matrix/client/v3" + path, json.dumps(body) if body is not None else None, head)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, path, text)
        return json.loads(text)


def spent(pids, action):
    """What an action cost each process, in ms, and what the action returned."""
    before = {name: cpu_ms(pid) for name, pid in pids.items()}
    result = action()
    return {name: cpu_ms(pid) - before[name] for name, pid in pids.items()}, result


def send(api, room, number=None):
    return api("PUT", f"/rooms/{room}/send/m.room.message/{uuid.uuid4()}", {"msgtype": "m.text", "body": f"line {number}"})


def measure(pids, send_base, sync_base, tokens):
    """`pids` by service; `tokens` of users, the first of whom makes the rooms."""
    owner = Api(send_base, tokens[0])
    rooms = [owner("POST", "/createRoom", {"preset": "public_chat"})["room_id"] for _ in range(SENDERS)]
    speakers = [Api(send_base, tokens[0]) for _ in rooms]
    room = rooms[0]
    listeners = [Api(sync_base, token) for token in tokens[1:LISTENERS + 1]]
    for token in tokens[1:LISTENERS + 1]:
        Api(send_base, token)("POST", f"/rooms/{room}/join", {})
    since = [listener("GET", "/sync?timeout=0")["next_batch"] for listener in listeners]
    for speaker, each in zip(speakers, rooms):
        for n in range(20):
            send(speaker, each, n)

    def quiet():
        with concurrent.futures.ThreadPoolExecutor() as pool:
            def one(pair):
                for n in range(MESSAGES // SENDERS):
                    send(*pair, n)
            list(pool.map(one, zip(speakers, rooms)))

    def polls():
        batch = since[0]
        for _ in range(POLLS):
            batch = listeners[0]("GET", f"/sync?timeout=0&since={batch}")["next_batch"]

    def heard():
        """Each message goes to each listener before the next is sent."""
        arrived = threading.Semaphore(0)
        responses = [0]
        over = threading.Event()

        def listen(listener, batch):
            while not over.is_set():
                page = listener("GET", f"/sync?timeout=5000&since={batch}")
                batch = page["next_batch"]
                timeline = page.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", [])
                responses[0] += 1
                for event in timeline:
                    if event["content"].get("body", "").startswith("line heard"):
                        arrived.release()

        threads = [threading.Thread(target=listen, args=pair) for pair in zip(listeners, since)]
        [thread.start() for thread in threads]
        for n in range(MESSAGES // 3):
            send(speakers[0], room, f"heard {n}")
            [arrived.acquire() for _ in listeners]
        over.set()
        [thread.join() for thread in threads]
        return responses[0]

    def per(count, costs):
        return {name: cost / count for name, cost in costs.items()}

    # The first poll takes what was said before.
    since[0] = listeners[0]("GET", f"/sync?timeout=0&since={since[0]}")["next_batch"]
    poll = per(POLLS, spent(pids, polls)[0])
    message = per(MESSAGES, spent(pids, quiet)[0])
    costs, responses = spent(pids, heard)
    count = MESSAGES // 3
    extra = {name: (cost - message[name] * count) / (count * len(listeners)) for name, cost in costs.items()}
    return {"poll": poll, "message": message, "delivery": extra, "responses": responses / count / len(listeners)}


def show(name, value, unit, what):
    print(f"{name:<16} {value:7.2f} {unit}  {what}", flush=True)


def report(alone, split, memory):
    """`alone` and `split` as `measure` gives them, of one process and of one for each task."""
    total = {kind: sum(values.values()) for kind, values in split.items() if kind != "responses"}
    hear = split["message"]["background-1"]
    show("ALONE", alone["message"]["synapse"], "ms", "a message in the only process")
    show("SEND", split["message"]["event-creator-1"] - hear, "ms", "a message in the process that takes it in")
    show("PERSIST", split["message"]["event-persister-1"] - hear, "ms", "a message in the process that writes it")
    show("HEAR", hear, "ms", "a message in every process that has workers beside it")
    show("DELIVER", split["delivery"]["synchrotron-1"], "ms", "a message for one who waits for it")
    show("POLL", split["poll"]["synchrotron-1"], "ms", "a /sync without news")
    show("DATABASE_DELIVER", alone["delivery"]["postgres"], "ms", "the same in PostgreSQL")
    show("DATABASE_POLL", alone["poll"]["postgres"], "ms", "a /sync without news, in PostgreSQL")
    show("DATABASE", split["message"]["postgres"], "ms", "a message in PostgreSQL, with workers")
    show("DATABASE_ALONE", alone["message"]["postgres"], "ms", "a message in PostgreSQL, with one process")
    for name in ("proxy", "redis"):
        if name in split["message"]:
            show(name.upper(), split["message"][name], "ms", f"a message in {name}")
    show("MAIN", split["message"]["synapse"] - hear, "ms", "a message in the main process beside workers")
    show("DELIVER1", alone["delivery"]["synapse"], "ms", "a message for one who waits for it, one process")
    show("POLL1", alone["poll"]["synapse"], "ms", "a /sync without news, one process")
    show("TOTAL", total["message"], "ms", "a message in all processes")
    for name, mb in memory.items():
        show("MEMORY", mb, "MB", name)


def main():
    from common import PROGRAM, instance, run

    def tokens(env):
        made = (run(PROGRAM, "content", "add-bot", f"bench{n}", "--format", "json", env=env).stdout for n in range(LISTENERS + 1))
        return [json.loads(text)["access_token"] for text in made]

    def one(profile, workers):
        more = {"MATRIX_SYNAPSE_PROFILE": profile, "MATRIX_SYNAPSE_WORKERS": workers}
        with instance(more=more) as (env, data):
            services = json.loads((data / "run/state.json").read_text())["services"]
            pids = {name: service["pid"] for name, service in services.items() if service["pid"]}
            base = ("127.0.0.1", int(env["MATRIX_SYNAPSE_PROXY_HTTP_PORT"]))
            result = measure(pids, base, base, tokens(env))
            return result, {name: memory_mb(pid) for name, pid in pids.items()}

    alone, _ = one("isms", "")
    split, memory = one("scale", WORKERS)
    report(alone, split, memory)


if __name__ == "__main__":
    main()
