"""Encrypted rooms with people who use mautrix-go and its own encryption: texts, answers, edits and files both ways, somebody who
comes, sessions that are over, and a comparison of numbers. Needs go.
"""

import json
import os
import pathlib
import pty
import shutil
import subprocess
import sys
import tempfile

from common import PROGRAM, ROOT, instance, run, session

PASSWORD = "a password of nobody"


class People:
    def __init__(self, program, base):
        self.process = subprocess.Popen(
            [program, base], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, verb, name, **more):
        self.process.stdin.write(json.dumps({"do": verb, "name": name, **more}) + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        assert "error" not in said, (verb, name, more, said)
        return said

    def reads(self, name, room, event, text):
        said = self.ask("read", name, room=room, event_id=event)
        assert said.get("encrypted") and said["content"]["body"] == text, said


def built(folder):
    source = ROOT / "bench/mautrix"
    run("go", "build", "-tags", "goolm", "-o", str(folder / "people"), ".", cwd=source, env={**os.environ, "CGO_ENABLED": "0"})
    return str(folder / "people")


def held(what):
    print(f"{what}: held", flush=True)


def compared(env, people, name, *whom):
    """A person at a terminal here, and one with mautrix-go, who says yes as well."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([PROGRAM, "content", "verify", *whom, "--emoji"], env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = people.ask("compare", name)
    assert shown["decimal"], shown
    said = ""
    while "is it the same?" not in said:
        said += os.read(ours, 4096).decode(errors="replace")
    assert " ".join(map(str, shown["decimal"])) in said, (shown, said)
    os.write(ours, b"y\n")
    ended = people.ask("same", name)
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        said += piece.decode(errors="replace")
    assert child.wait() == 0 and ended["ended"] == "done", (ended, said)


def proof(env, data, people):
    def ours(*words, stdin=None):
        return run(PROGRAM, "content", *words, env=env, input=stdin).stdout.strip()

    def send(room, *words):
        return ours("send-message", room, "-q", *words)

    def bodies(room):
        page = json.loads(ours("read-messages", room, "--format", "json"))
        return [it.get("body") for it in page["messages"]]

    for user in ["gopher", "second", "third"]:
        ours("add-user", user, "--password-stdin", stdin=PASSWORD)
    enter = lambda name, user: people.ask("enter", name, user=user, password=PASSWORD)
    gopher = enter("gopher", "gopher")
    enter("second", "second")
    room = ours("create-room", "Gophers", "--encrypted", "--invite", "gopher", "--invite", "second", "-q")
    for name in ["gopher", "second"]:
        people.ask("join", name, room=room)

    hello = send(room, "hello")
    for name in ["gopher", "second"]:
        people.reads(name, room, hello, "hello")
    bold = send(room, "<b>bold</b>", "--html", "--reply-to", hello)
    said = people.ask("read", "gopher", room=room, event_id=bold)["content"]
    assert said["formatted_body"] == "<b>bold</b>", said
    ours("edit-message", room, hello, "better")
    people.ask("say", "gopher", room=room, content={"msgtype": "m.text", "body": "from go"})
    assert bodies(room) == ["better", "bold", "from go"], bodies(room)
    held("texts both ways")

    text = "what is in it\n" * 1000
    given = people.ask("give", "gopher", room=room, text=text)["event_id"]
    folder = pathlib.Path(tempfile.mkdtemp(dir=data))
    ours("download-media", room, given, "--out", str(folder / "got"))
    assert (folder / "got").read_text() == text
    (folder / "ours.txt").write_text(text)
    sent = ours("send-media", room, str(folder / "ours.txt"), "-q")
    assert people.ask("fetch", "second", room=room, event_id=sent)["text"] == text
    held("files both ways")

    ours("invite", room, "third")
    enter("third", "third")
    people.ask("join", "third", room=room)
    after = send(room, "after")
    people.reads("third", room, after, "after")
    people.ask("leave", "second", room=room)
    without = send(room, "without the second")
    people.reads("gopher", room, without, "without the second")
    held("who comes reads what comes after")

    ours("send-state", room, "m.room.encryption", json.dumps({"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": 2}))
    for n in range(5):
        people.reads("third", room, send(room, f"number {n}"), f"number {n}")
    held("sessions that are over after two messages")

    compared(env, people, "gopher", gopher["user_id"], gopher["device_id"])
    trust = json.loads(ours("verify", gopher["user_id"], "--format", "json"))
    assert trust["verified"], trust
    people.reads("gopher", room, send(room, "to those whom we know"), "to those whom we know")
    held("numbers are compared")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rms-mautrix-"))
    try:
        program = built(folder)
        with instance() as (env, data):
            people = People(program, session(data)["url"])
            try:
                proof(env, data, people)
            finally:
                people.process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0)


main()
