"""What the news of rooms cost the server: CPU time of Synapse for the requests of a bare loop of `/sync`, one of simplified sliding sync (MSC4186), and
`content listen`, which uses both. Each hears as many messages in the same run, in turns. Synapse itself counts what each request took.

`ROOMS=N` has the listener in fewer than 200 rooms, `EVENTS=N` sends fewer than 400 messages, one at a time, each of which is
heard before the next is sent. `OLD=PATH` measures the `content listen` of another build as well.
"""

import http.client
import json
import os
import statistics
import subprocess
import urllib.parse
import urllib.request
import uuid

from common import PROGRAM, finish, instance, run, say, session, until

ROOMS = int(os.environ.get("ROOMS", 200))
EVENTS = int(os.environ.get("EVENTS", 400))
OLD = os.environ.get("OLD")
TURNS = 5
SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"


class Server:
    def __init__(self, env, data):
        self.port, self.token = int(env["MATRIX_SYNAPSE_PORT"]), session(data)["access_token"]
        self.user = session(data)["user_id"]
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method, path, body=None):
        head = {"Authorization": f"Bearer {self.token}"}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, head)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, path, text[:300])
        return json.loads(text)


class Sync:
    """With the filter of `content listen`."""

    def __init__(self, server, room=None):
        nothing = {"types": []}
        kinds = {"timeline": {"limit": 1000}, "ephemeral": nothing, "account_data": nothing, "state": nothing}
        if room:
            kinds["rooms"] = [room]
        filters = json.dumps({"presence": nothing, "account_data": nothing, "room": kinds})
        self.server, self.filters, self.since = server, urllib.parse.quote(filters), None
        self.since = self.news(0)[0]

    def news(self, timeout):
        since = f"&since={self.since}" if self.since else ""
        answer = self.server.ask("GET", f"/_matrix/client/v3/sync?timeout={timeout}&filter={self.filters}{since}")
        rooms = answer.get("rooms", {}).get("join", {}).values()
        return answer["next_batch"], [event["event_id"] for room in rooms for event in room["timeline"]["events"]]

    def hear(self):
        self.since, events = self.news(10_000)
        return events


class Sliding:
    """All rooms in one list, or one room by its id, as `content listen` asks."""

    def __init__(self, server, room=None):
        wish = {"timeline_limit": 10, "required_state": [["m.room.member", "@nobody:elsewhere.invalid"]]}
        self.body = {"conn_id": "bench"}
        if room:
            self.body["room_subscriptions"] = {room: wish}
        else:
            self.body["lists"] = {"all": {"ranges": [[0, 100_000]], **wish}}
        self.server, self.pos = server, None
        self.hear()

    def hear(self):
        query = f"?timeout={10_000 if self.pos else 0}" + (f"&pos={urllib.parse.quote(self.pos)}" if self.pos else "")
        answer = self.server.ask("POST", SLIDING + query, self.body)
        self.pos = answer["pos"]
        return [event["event_id"] for room in answer.get("rooms", {}).values() for event in room.get("timeline", [])]


class Listen:
    """`content listen` of a program."""

    def __init__(self, program, env, cursor, named):
        words = [program, "content", "listen", *named, "--cursor", cursor, "--format", "json"]
        self.process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True)
        until(cursor.exists)

    def hear(self):
        return [json.loads(self.process.stdout.readline())["event_id"]]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def cpu_ms(env):
    """What all requests of both kinds took so far."""
    page = urllib.request.urlopen(f"http://127.0.0.1:{env['MATRIX_SYNAPSE_METRICS_PORT']}/_synapse/metrics").read().decode()
    taken = ("synapse_http_server_response_ru_utime_seconds", "synapse_http_server_response_ru_stime_seconds")
    lines = [line for line in page.splitlines() if line.startswith(taken) and 'SyncRestServlet"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines) * 1000


def cost(env, server, way, rooms, number):
    """Milliseconds of the server for each of `number` messages, each heard before the next."""
    begin = cpu_ms(env)
    for n in range(number):
        body = {"msgtype": "m.text", "body": "hello"}
        path = f"/_matrix/client/v3/rooms/{rooms[n % len(rooms)]}/send/m.room.message/{uuid.uuid4()}"
        event = server.ask("PUT", path, body)["event_id"]
        while event not in way.hear():
            pass
    return (cpu_ms(env) - begin) / number


def live(env, server, way, rooms, number):
    """The same of a listener that has been one for a while, and that ends, for the server tells all that are there."""
    cost(env, server, way, rooms, 3 * len(rooms) + 40)
    found = cost(env, server, way, rooms, number)
    way.end()
    return found


with instance() as (env, data):
    server = Server(env, data)
    rooms = [run(PROGRAM, "content", "create-room", f"Room {n}", "--no-encryption", "-q", env=env).stdout.strip() for n in range(ROOMS)]
    held = []
    programs = [PROGRAM, *([OLD] if OLD else [])]
    for name, room in (("all rooms", None), ("one room", rooms[0])):
        places = [room] if room else rooms
        ways = [Sync(server, room), Sliding(server, room)]
        costs = [[] for _ in [*ways, *programs]]
        for turn in range(TURNS):
            for way, found in zip(ways, costs):
                found.append(cost(env, server, way, places, EVENTS // TURNS))
            for number, program in enumerate(programs):
                listener = Listen(program, env, data / f"{name} {turn} {number}", places if room else [])
                costs[len(ways) + number].append(live(env, server, listener, places, EVENTS // TURNS))
        sync, sliding, listen, *old = map(statistics.median, costs)
        print(f"{name} of {ROOMS}: a loop of `/sync` hears a message for {sync:.2f} ms, one of sliding sync for {sliding:.2f} ms")
        for old in old:
            print(f"{name}: the old `content listen` hears it for {old:.2f} ms")
        held.append(say(f"{name}: `content listen` hears it, against a loop of `/sync`", listen, sync, 1.0, "ms"))
    finish(*held)
