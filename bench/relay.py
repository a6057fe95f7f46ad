"""The relay against what it stands on: a bare transaction, a bare application-service sender, a handler that only writes.

`relay.py [accept|through|inbound|idle|active|memory]…` makes some of the figures; `TIMES=` and `MESSAGES=` say of how many,
`--full` takes 200,000 messages for `memory`. Each is made in turns with its peer. `relay_storm.py` kills all of it.
"""

import concurrent.futures
import os
import statistics
import sys
import time
import uuid

import relay_inbound
import relay_readers
from common import finish, say
from relay_parts import PREFIX, number, p95, relay, timed, wanted, with_driver

TEXT = "what somebody says to the others, not very long"
INSERT = """INSERT INTO bench.messages
    (id, conversation_id, sequence_number, sender_id, kind, plaintext_content, fingerprint)
    VALUES (%s, %s, %s, %s, 'text', %s, %s)"""


def at_least(what, ours, peer, limit, unit="/s"):
    """The same as `say` where more is better."""
    ratio = ours / peer
    print(f"{what}: {ours:.4g}{unit} against {peer:.4g}{unit}, ratio {ratio:.2f} (at least {limit})"
          + ("" if ratio >= limit else "  NOT HELD"), flush=True)
    return ratio >= limit


def accept(it):
    """A message accepted, against a transaction that inserts the same row into a table with the same indexes."""
    with it.database(autocommit=True) as database:
        database.execute("CREATE SCHEMA bench")
        # The same columns, checks and indexes, and what it refers to.
        database.execute("CREATE TABLE bench.messages (LIKE relay.messages INCLUDING ALL)")
        database.execute("""ALTER TABLE bench.messages
            ADD FOREIGN KEY (conversation_id) REFERENCES relay.conversations,
            ADD FOREIGN KEY (sender_id) REFERENCES relay.users""")

    def one(times, part):
        """In turns on two connections: what each of both took."""
        conversation, users = it.conversation()
        path = f"/api/chat/conversations/{conversation}/messages"
        way, ours, peers = it.way(), [], []
        with it.database(autocommit=True) as database:
            for n in range(times):
                body = {"sender_id": users[0], "plaintext": TEXT}
                row = (uuid.uuid4(), conversation, n, users[0], TEXT, "0123456789abcdef0123456789abcdef")
                if part != "peer":
                    ours.append(timed(lambda: way.ask("POST", path, body)))
                if part != "ours":
                    peers.append(timed(lambda: database.execute(INSERT, row, prepare=True)))
        return ours, peers

    with it.alone():
        held = accept_alone(one, "")
        with it.slower_disk(2):
            return held + accept_alone(one, ", on a disk that takes 2 ms longer")


def accept_alone(one, where):
    times = number("TIMES", 2000)
    one(100, "both")
    ours, peers = one(times, "both")
    print(f"median {statistics.median(ours):.5f} s against {statistics.median(peers):.5f} s")
    held = [say(f"a message accepted, p95{where}", p95(ours), p95(peers), 1.2)]

    # Eight at once, of both in turns.
    ours, peers = [], []
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            for part, all_of_them in (("ours", ours), ("peer", peers)):
                found = pool.map(lambda _: one(times // 64, part), range(8))
                for pair in list(found):
                    all_of_them += pair[0] or pair[1]
    print(f"median {statistics.median(ours):.5f} s against {statistics.median(peers):.5f} s")
    held.append(say(f"of eight at once, p95{where}", p95(ours), p95(peers), 1.2))
    return held


def through(it):
    """From the application to the homeserver, against who sends there with the same token, one connection a room."""
    rate, rounds = number("MESSAGES", 400), number("ROUNDS", 5)
    held = []
    for rooms in (1, 8):
        each = rate // rooms
        ours = [it.conversation() for _ in range(rooms)]
        bare = [Bare(it) for _ in range(rooms)]
        with concurrent.futures.ThreadPoolExecutor(rooms) as pool:

            def post(conversation, users, many):
                way = it.way()
                path = f"/api/chat/conversations/{conversation}/messages"
                for _ in range(many):
                    way.ask("POST", path, {"sender_id": users[0], "plaintext": TEXT})

            def by_relay(many):
                list(pool.map(lambda talk: post(*talk, many), ours))
                it.settled()

            def by_peer(many):
                list(pool.map(lambda room: room.send(many), bare))

            rates, burden = {by_relay: [], by_peer: []}, {by_relay: [], by_peer: []}
            by_relay(5), by_peer(5)
            for _ in range(rounds):
                for way in rates:
                    before = it.processor()
                    rates[way].append(each * rooms / timed(lambda: way(each)))
                    # What the homeserver tells of it afterwards is not the next one's burden.
                    time.sleep(2)
                    burden[way].append({name: 1000 * (now - before[name]) / each / rooms for name, now in it.processor().items()})
        held.append(at_least(f"messages to {rooms} rooms", *(statistics.median(rates[way]) for way in rates), 0.95))
        for way, all_of_it in burden.items():
            means = (f"{name} {statistics.median(one[name] for one in all_of_it):.1f}" for name in all_of_it[0])
            print(f"  ms of a processor for each message {way.__name__.replace('_', ' ')}: " + ", ".join(means))
    return held


class Bare:
    """A user of the application service in a room of its own, with a device as the relay's have one."""

    def __init__(self, it):
        self.way = it.service()
        name = f"{PREFIX}-{uuid.uuid4().hex}"
        self.query = f"?user_id=%40{name}%3Abench.example"
        body = {"type": "m.login.application_service", "username": name, "inhibit_login": True}
        self.way.ask("POST", "/_matrix/client/v3/register", body)
        self.way.ask("PUT", "/_matrix/client/v3/devices/RELAY" + self.query, {"display_name": "bench"})
        # As many are in it, and it is made as the relay makes one.
        service, other = "?user_id=%40relay-service%3Abench.example", f"{PREFIX}-{uuid.uuid4().hex}"
        self.way.ask("POST", "/_matrix/client/v3/register", {**body, "username": other})
        people = [f"@{user}:bench.example" for user in (name, other)]
        new = {"preset": "private_chat", "invite": people}
        self.room = self.way.ask("POST", "/_matrix/client/v3/createRoom" + service, new)["room_id"]
        for user in (name, other):
            self.way.ask("POST", f"/_matrix/client/v3/rooms/{self.room}/join?user_id=%40{user}%3Abench.example", {})

    def send(self, many):
        for _ in range(many):
            path = f"/_matrix/client/v3/rooms/{self.room}/send/m.room.message/{uuid.uuid4().hex}"
            mark = {"msgtype": "m.text", "body": TEXT, "com.example.mark": str(uuid.uuid4())}
            self.way.ask("PUT", f"{path}{self.query}&device_id=RELAY", mark)


def memory(it):
    """Over many messages it needs no more than after the first of them."""
    many = 200_000 if "--full" in sys.argv else number("MESSAGES", 20_000)
    talks = [it.conversation() for _ in range(8)]
    seen = []

    def post(talk, number):
        way, (conversation, users) = it.way(), talk
        for _ in range(number):
            body = {"sender_id": users[0], "plaintext": TEXT}
            way.ask("POST", f"/api/chat/conversations/{conversation}/messages", body)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for part in range(20):
            list(pool.map(lambda talk: post(talk, many // 160), talks))
            # They wait in the database, and are told from there.
            it.settled()
            seen.append(it.memory())
            print(f"{(part + 1) * many // 20} messages: {seen[-1]} KB", flush=True)
    return [say(f"memory after {many} messages, against after a quarter", seen[-1], statistics.median(seen[3:6]), 1.05, "KB")]


FIGURES = {
    "accept": accept,
    "through": through,
    "inbound": relay_inbound.inbound,
    "idle": relay_readers.idle,
    "active": relay_readers.active,
    "memory": memory,
}

if __name__ == "__main__":
    with_driver()
    with relay(**({"MATRIX_SYNAPSE_RELAY_CONNECTIONS": "19000"})) as it:
        print(f"{os.cpu_count()} cores; data in {it.data}", flush=True)
        held = []
        for name in wanted() or FIGURES:
            held += FIGURES[name](it)
    finish(*held)
