"""What the news of rooms cost the server: CPU time of Synapse for `/sync` as `content listen` asks it, and for simplified sliding sync (MSC4186).

`ROOMS=N` has the listener in fewer than 200 rooms, `EVENTS=N` sends fewer than 400 messages, one at a time, each of which is
heard before the next is sent. Both hear the same events in the same run, in turns.
"""

import http.client
import json
import os
import statistics
import urllib.parse

from common import PROGRAM, finish, instance, run, say, session
from costs import cpu_ms

ROOMS = int(os.environ.get("ROOMS", 200))
EVENTS = int(os.environ.get("EVENTS", 400))
TURNS = 4
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
    """As `content listen` asks."""

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
    """All rooms in one list, or one room by its id."""

    def __init__(self, server, room=None):
        wish = {"timeline_limit": 50, "required_state": []}
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


def cost(pid, server, way, rooms, number):
    """Milliseconds of the server for `number` messages, each heard before the next."""
    begin = cpu_ms(pid)
    for n in range(number):
        body = {"msgtype": "m.text", "body": "hello"}
        place = rooms[n % len(rooms)]
        path = f"/_matrix/client/v3/rooms/{place}/send/m.room.message/{id(way)}-{begin}-{n}"
        event = server.ask("PUT", path, body)["event_id"]
        while way and event not in way.hear():
            pass
    return (cpu_ms(pid) - begin) / number


with instance() as (env, data):
    server = Server(env, data)
    state = json.loads((data / "run/state.json").read_text())
    pid = state["services"]["synapse"]["pid"]
    rooms = [run(PROGRAM, "content", "create-room", f"Room {n}", "-q", env=env).stdout.strip() for n in range(ROOMS)]
    held = []
    for name, room in (("all rooms", None), ("one room", rooms[0])):
        places = [room] if room else rooms
        ways = [None, Sync(server, room), Sliding(server, room)]
        costs = [[], [], []]
        for _ in range(TURNS):
            for way, found in zip(ways, costs):
                found.append(cost(pid, server, way, places, EVENTS // TURNS))
        sent, sync, sliding = map(statistics.median, costs)
        print(f"{name}: a message costs {sent:.2f} ms to send")
        held.append(say(f"{name}: to hear one of {ROOMS} rooms' messages, `/sync` against sliding sync", sync - sent, sliding - sent, 1.0, "ms"))
    finish(*held)
