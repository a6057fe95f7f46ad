"""A message to IRC and back: over the bridge that `content add-bridge irc` keeps, and over one of the same program
that was registered and started by hand; on one homeserver and one IRC server, in turns."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

from common import PROGRAM, by_itself, finish, free_port, in_turns, instance, run, say, session, until

# The bridge sends to IRC as slowly as networks demand it, about a line in a second: each turn waits for that.
TIMES = 15
PAUSE = 3


def api(method, path, body=None):
    url = f"{operator['url']}/_matrix/client/v3{path}"
    head = {"Authorization": f"Bearer {operator['access_token']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, head, method=method), timeout=60) as answer:
        return json.load(answer)


def write(room, text):
    path = f"/rooms/{urllib.parse.quote(room)}/send/m.room.message/{uuid.uuid4().hex}"
    return api("PUT", path, {"msgtype": "m.text", "body": text})


@contextlib.contextmanager
def irc_server():
    folder = Path(tempfile.mkdtemp(prefix="rms-irc-"))
    port = free_port()
    (folder / "ngircd.conf").write_text(
        f"[Global]\nName = irc.bench.test\nInfo = bench\nPorts = {port}\nListen = 127.0.0.1\n"
        "ServerUID = nobody\nServerGID = nogroup\nMotdPhrase = bench\n"
        "[Options]\nPAM = no\nIdent = no\nDNS = no\nChrootDir =\n"
        "[Limits]\nMaxConnectionsIP = 0\nMaxJoins = 50\nMaxPenaltyTime = 0\n"
    )
    program = shutil.which("ngircd") or "/usr/sbin/ngircd"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([program, "-n", "-f", folder / "ngircd.conf"], **quiet)

    def listens():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(listens)
        yield port
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


class Person:
    """Somebody on IRC."""

    def __init__(self, port, nick):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.lines = self.socket.makefile(encoding="utf-8")
        self.says(f"NICK {nick}")
        self.says(f"USER {nick} 0 * :{nick}")
        self.hears(" 001 ")

    def says(self, line):
        self.socket.sendall(f"{line}\r\n".encode())

    def hears(self, what):
        for line in self.lines:
            if line.startswith("PING "):
                self.says("PONG " + line[5:].strip())
            if what in line:
                return line
        raise RuntimeError("the IRC server hung up")


class Reader:
    """Follows the operator's rooms."""

    def __init__(self):
        self.since = api("GET", "/sync?timeout=0")["next_batch"]
        self.invitations = {}

    def sync(self):
        page = api("GET", f"/sync?timeout=1000&since={self.since}")
        self.since = page["next_batch"]
        rooms = page.get("rooms", {})
        for room, invited in rooms.get("invite", {}).items():
            self.invitations[room] = {event["sender"] for event in invited["invite_state"]["events"]}
        return rooms

    def joins(self, inviter):
        """Waits for an invitation from somebody, and follows it."""
        while True:
            for room, senders in self.invitations.items():
                if inviter in senders:
                    del self.invitations[room]
                    api("POST", f"/join/{urllib.parse.quote(room)}", {})
                    return room
            self.sync()

    def reads(self, room, text):
        while True:
            timeline = self.sync().get("join", {}).get(room, {}).get("timeline", {})
            if any(text in event["content"].get("body", "") for event in timeline.get("events", [])):
                return


def channel(reader, name, port):
    """Opens a channel of that name over the bridge of that name; its room."""
    bot = f"@{name}bot:bench.example"
    control = reader.joins(bot)
    write(control, "ADDNETWORK lab")
    reader.reads(control, "added")
    write(control, f"ADDSERVER lab 127.0.0.1 {port}")
    reader.reads(control, "added")
    write(control, "OPEN lab")
    network = reader.joins(bot)
    write(network, f"NICK mx{name}")
    write(network, "CONNECT")
    reader.reads(network, "Welcome")
    write(network, f"JOIN #{name}")
    return reader.joins(bot)


def register(env, folder):
    """A registration as the bridge's own program writes it."""
    python = folder / "environments/heisenbridge/bin/python"
    port, file = free_port(), folder / "hand.yaml"
    run(python, "-m", "heisenbridge", "-c", file, "--generate", "-l", "127.0.0.1", "-p", str(port))
    text = file.read_text()
    for mine, other in (("heisenbridge", "handbot"), ("@irc_", "@hand_")):
        text = text.replace(mine, other)
    file.write_text(text)
    run(PROGRAM, "content", "add-bridge", "custom", "--name", "hand", "--registration", file, env=env)
    owner = ["-o", "@operator:bench.example", operator["url"]]
    return [python, "-m", "heisenbridge", "-c", file, "-l", "127.0.0.1", "-p", str(port), *owner]


with irc_server() as irc, instance() as (env, data):
    operator = session(data)
    reader = Reader()
    run(PROGRAM, "content", "add-bridge", "irc", "--owner", "operator", env=env)
    words = register(env, data)
    hand = subprocess.Popen(words, **by_itself(os.environ, data))
    try:
        people = Person(irc, "bob")
        ways = {}
        for name in ("irc", "hand"):
            people.says(f"JOIN #{name}")
            people.hears(" 366 ")
            ways[name] = channel(reader, name, irc)

        def there_and_back(name):
            time.sleep(PAUSE)
            text = uuid.uuid4().hex
            begin = time.monotonic()
            write(ways[name], text)
            people.hears(text)
            people.says(f"PRIVMSG #{name} :back {text}")
            reader.reads(ways[name], f"back {text}")
            return time.monotonic() - begin

        for name in ways:
            there_and_back(name)
        turns = in_turns(lambda: there_and_back("irc"), lambda: there_and_back("hand"), TIMES)
        finish(say("a message to IRC and back", *turns, 1.05))
    finally:
        hand.kill()
        hand.wait()
