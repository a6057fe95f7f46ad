"""What a relay takes of the homeserver, against a handler that only writes a row for each event."""

import json
import statistics
import subprocess
import sys
import time
import uuid

from common import free_port, until
from relay_parts import Way, number

SENDERS = 20
TABLE = "CREATE TABLE IF NOT EXISTS handled.events (event_id text PRIMARY KEY, room text, sender text, body text, at bigint)"
INSERT = "INSERT INTO handled.events VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"


def events(room, many):
    """What people of Matrix say in a room."""
    return [
        {
            "type": "m.room.message",
            "event_id": f"${uuid.uuid4().hex}",
            "room_id": room,
            "sender": f"@person{n % SENDERS}:bench.example",
            "origin_server_ts": int(time.time() * 1000),
            "content": {"msgtype": "m.text", "body": f"what somebody says, number {n}"},
            "unsigned": {"age": 12},
        }
        for n in range(many)
    ]


def inbound(it):
    from relay import at_least

    conversation, users = it.conversation()
    it.way().ask("POST", f"/api/chat/conversations/{conversation}/messages", {"sender_id": users[0], "plaintext": "first"})
    it.settled()
    room = it.way().ask("GET", f"/api/chat/conversations/{conversation}")["matrix_room_id"]
    with it.database(autocommit=True) as database:
        database.execute("CREATE SCHEMA IF NOT EXISTS handled")
        database.execute(TABLE)
    port = free_port()
    words = [port, it.env["MATRIX_SYNAPSE_EMBEDDED_DB_PORT"], it.secret("relay_database_password")]
    handler = subprocess.Popen([sys.executable, __file__, *map(str, words)], stdout=subprocess.PIPE)
    held = []
    try:
        handler.stdout.readline()
        relay, peer = it.homeserver(), Way(port, "")

        def rate(way, size, many):
            bodies = [(uuid.uuid4().hex, {"events": events(room, size), "ephemeral": []}) for _ in range(many)]
            begin = time.perf_counter()
            for transaction, body in bodies:
                way.ask("PUT", f"/_matrix/app/v1/transactions/{transaction}", body)
            return size * many / (time.perf_counter() - begin)

        for size in (50, 100):
            rate(relay, size, 5), rate(peer, size, 5)
            ours, peers = [], []
            for _ in range(number("ROUNDS", 5)):
                ours.append(rate(relay, size, 2000 // size))
                peers.append(rate(peer, size, 2000 // size))
            what = f"events taken in transactions of {size}"
            held.append(at_least(what, statistics.median(ours), statistics.median(peers), 0.95))
    finally:
        handler.kill()
        handler.wait()
    return held


def handle(port, database, password):
    """The least that a handler does, in the shortest way that Python has: it reads a transaction and writes its rows."""
    import socket

    import psycopg

    database = psycopg.connect(host="127.0.0.1", port=database, user="synapse_relay", password=password, dbname="synapse_relay")
    listener = socket.create_server(("127.0.0.1", int(port)))
    print("ready", flush=True)
    while True:
        stream, _ = listener.accept()
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = stream.makefile("rb")
        while reader.readline():
            length = 0
            while (line := reader.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            for event in json.loads(reader.read(length))["events"]:
                row = [event["event_id"], event["room_id"], event["sender"], event["content"]["body"], event["origin_server_ts"]]
                database.execute(INSERT, row, prepare=True)
            database.commit()
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


if __name__ == "__main__":
    handle(*sys.argv[1:])
