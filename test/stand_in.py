"""Stands in for a bridge to a network that cannot be reached from here: speaks the application service
protocol as real ones do, keeps what it has heard in the database it was given, and answers in a room it
is invited to as a user of its own."""

import os
import sys

import yaml


def argument(flag, otherwise=None):
    return sys.argv[sys.argv.index(flag) + 1] if flag in sys.argv else otherwise


def read(path):
    with open(path) as file:
        return yaml.safe_load(file)


config = read(argument("-c")) if "-c" in sys.argv else None
registration = read(argument("-r") or os.environ["BRIDGE_REGISTRATION"])
homeserver = config["homeserver"]["address"] if config else os.environ["MATRIX_SYNAPSE_URL"]
domain = config["homeserver"]["domain"] if config else os.environ["MATRIX_SYNAPSE_SERVER_NAME"]
bot = config["appservice"]["bot"]["username"] if config else registration["sender_localpart"]
name = registration["id"]


class Kept:
    """The transactions that were heard, so that one that comes again is not done again."""

    def __init__(self, uri):
        import psycopg2

        self.connection = psycopg2.connect(uri)
        self.connection.autocommit = True
        self.run("CREATE TABLE IF NOT EXISTS heard (id text PRIMARY KEY)")

    def run(self, statement, values=()):
        cursor = self.connection.cursor()
        cursor.execute(statement, values)
        return cursor.rowcount

    def is_new(self, transaction):
        statement = "INSERT INTO heard VALUES (%s) ON CONFLICT DO NOTHING"
        return self.run(statement, (transaction,)) == 1


kept = Kept(config["database"]["uri"]) if config else None
if config:
    # Older ones read it from there.
    assert config["appservice"]["database"] == config["database"]
    assert config["appservice"]["as_token"] == registration["as_token"]


server = Homeserver(homeserver, domain, registration["as_token"])


def hear(event):
    me, ghost = f"@{bot}:{domain}", f"@{name}_ada:{domain}"
    room, content = event["room_id"], event["content"]
    if event["type"] == "m.room.member" and event.get("state_key") == me:
        if content["membership"] == "invite":
            server.join(room, me)
    elif event["type"] == "m.room.message" and not event["sender"].startswith(f"@{name}"):
        server.register(f"{name}_ada")
        try:
            server.invite(room, ghost, me)
        except urllib.error.HTTPError as error:
            # It is there already.
            assert error.code == 403, error
        server.join(room, ghost)
        server.send(room, ghost, "heard: " + content["body"], event["event_id"])


class Appservice(Door):
    def heard(self):
        body = self.body()
        if self.knows(registration["hs_token"]):
            return body
        self.answer(403, {"errcode": "M_FORBIDDEN"})
        return None

    def do_POST(self):
        if self.heard() is not None:
            known = self.path == "/_matrix/app/v1/ping"
            self.answer(*((200, {}) if known else (404, {"errcode": "M_UNRECOGNIZED"})))

    def do_PUT(self):
        body = self.heard()
        if body is None:
            return
        transaction = self.path.rsplit("/", 1)[1]
        if kept is None or kept.is_new(transaction):
            for event in body["events"]:
                hear(event)
        self.answer(200, {})


if config:
    server.register(bot)
address = urllib.parse.urlparse(registration["url"])
print("listening", flush=True)
http.server.ThreadingHTTPServer((address.hostname, address.port), Appservice).serve_forever()
