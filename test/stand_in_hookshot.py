"""Stands in for matrix-hookshot, whose package cannot be had here: takes its files in the order it takes
them, refuses what its own code refuses in them, listens where they say, and turns a POST to a webhook into
a message of that webhook's user. Like those before 7.1 it does not know Synapse's question."""

import os
import re
import sys
import threading

import yaml

config, registration = (yaml.safe_load(open(path)) for path in sys.argv[1:3])
assert len(sys.argv) == 3 and os.environ["NODE_ENV"] == "production"

bridge, generic = config["bridge"], config["generic"]
for key, kind in {"domain": str, "url": str, "mediaUrl": str, "port": int, "bindAddress": str}.items():
    assert isinstance(bridge[key], kind), key
assert registration["url"].endswith(f":{bridge['port']}")
assert config["logging"]["level"] in ("debug", "info", "warn", "error", "trace")
# "At least one service kind must be configured", and "No listeners found for resource webhooks".
assert generic["enabled"] or config["feeds"]["enabled"]
hooks = [it for it in config["listeners"] if "webhooks" in it["resources"]]
assert len({bridge["port"], *(it["port"] for it in config["listeners"])}) == 1 + len(config["listeners"])
assert urllib.parse.urlparse(generic["urlPrefix"]).scheme in ("http", "https")
with open(config["passFile"]) as file:
    assert file.read().startswith("-----BEGIN PRIVATE KEY-----")
levels = ("commands", "login", "notifications", "manageConnections", "admin")
for rule in config["permissions"]:
    assert rule["actor"] and all(it["service"] and it["level"] in levels for it in rule["services"])

bot = f"@{registration['sender_localpart']}:{bridge['domain']}"
spaces = [re.compile(it["regex"]) for it in registration["namespaces"]["users"]]
assert any(space.match(bot) for space in spaces)
rooms = {}


server = Homeserver(bridge["url"], bridge["domain"], registration["as_token"])


def hear(event):
    room, content = event["room_id"], event["content"]
    if event["type"] == "m.room.member" and event.get("state_key") == bot:
        if content["membership"] == "invite":
            server.join(room, bot)
    elif event["type"] == "m.room.message" and content["body"].startswith("!hookshot webhook "):
        assert event["sender"] in (rule["actor"] for rule in config["permissions"])
        name = content["body"].split()[-1]
        user = server.register(generic["userIdPrefix"] + name)
        server.invite(room, user, bot)
        server.join(room, user)
        rooms[name] = room, user
        server.send(room, bot, f"the webhook is {generic['urlPrefix']}{name}", event["event_id"])


class Appservice(Door):
    def do_PUT(self):
        body = self.body()
        if not self.knows(registration["hs_token"]):
            return self.answer(401, {"errcode": "AUTH_FAILED"})
        for event in body["events"]:
            hear(event)
        self.answer(200, {})

    def do_POST(self):
        self.body()
        self.answer(404, {"error": f"Cannot POST {self.path}"})


class Webhooks(Door):
    def do_POST(self):
        room, user = rooms[self.path.removeprefix("/webhook/")]
        text = self.body()["text"]
        server.send(room, user, text, text)
        self.answer(200, {"ok": True})


server.register(registration["sender_localpart"])
for it in hooks:
    listener = http.server.ThreadingHTTPServer((it["bindAddress"], it["port"]), Webhooks)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer((bridge["bindAddress"], bridge["port"]), Appservice).serve_forever()
