"""Stands in for matrix-hookshot, whose package cannot be had here: takes its files in the order it takes
them, refuses what its own code refuses in them, listens where they say, and turns a POST to a webhook into
a message of that webhook's user. Like those before 7.1 it does not know Synapse's question."""

import http.server
import json
import os
import re
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

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


def call(method, path, body, user):
    url = f"{bridge['url']}/_matrix/client/v3/{path}?user_id={urllib.parse.quote(user)}"
    request = urllib.request.Request(url, json.dumps(body).encode(), method=method)
    request.add_header("Authorization", "Bearer " + registration["as_token"])
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def register(user):
    localpart = user[1:].split(":")[0]
    body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
    try:
        call("POST", "register", body, bot)
    except urllib.error.HTTPError as error:
        if json.load(error)["errcode"] != "M_USER_IN_USE":
            raise


def send(room, user, text, transaction):
    path = f"rooms/{urllib.parse.quote(room)}/send/m.room.message/{urllib.parse.quote(transaction)}"
    call("PUT", path, {"msgtype": "m.text", "body": text}, user)


def hear(event):
    room, content = event["room_id"], event["content"]
    path = f"rooms/{urllib.parse.quote(room)}"
    if event["type"] == "m.room.member" and event.get("state_key") == bot:
        if content["membership"] == "invite":
            call("POST", f"{path}/join", {}, bot)
    elif event["type"] == "m.room.message" and content["body"].startswith("!hookshot webhook "):
        assert event["sender"] in (rule["actor"] for rule in config["permissions"])
        name = content["body"].split()[-1]
        user = f"@{generic['userIdPrefix']}{name}:{bridge['domain']}"
        register(user)
        call("POST", f"{path}/invite", {"user_id": user}, bot)
        call("POST", f"{path}/join", {}, user)
        rooms[name] = room, user
        send(room, bot, f"the webhook is {generic['urlPrefix']}{name}", event["event_id"])


class Door(http.server.BaseHTTPRequestHandler):
    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, form, *words):
        print(form % words, flush=True)


class Appservice(Door):
    def do_PUT(self):
        body = self.body()
        if self.headers["Authorization"] != "Bearer " + registration["hs_token"]:
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
        send(room, user, text, text)
        self.answer(200, {"ok": True})


register(bot)
for it in hooks:
    server = http.server.ThreadingHTTPServer((it["bindAddress"], it["port"]), Webhooks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer((bridge["bindAddress"], bridge["port"]), Appservice).serve_forever()
