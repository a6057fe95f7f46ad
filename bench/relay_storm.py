"""Whether all that an application and people of Matrix say to one another is there once and in order on both sides, while
the relay, Synapse, PostgreSQL and the application are killed at random.

`--kills N` (200), `--messages N` (5,000: messages, edits and deletions of the application), `--seed N` for another run.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

from common import PROGRAM, finish, run, session, until
from relay_parts import Way, relay, with_driver

TALKS = 4
# What is killed, and how often in proportion.
VICTIMS = {"relay": 3, "app": 3, "synapse": 2, "postgres": 2}


# --- the application, in a process of its own ---


def steps(seed, number, users):
    """All that it does in one conversation: the same ones each time it is asked. One in five is an edit, one in ten a deletion."""
    chance, mine = random.Random(seed), []
    for n in range(number):
        what = chance.random()
        if mine and what < 0.2:
            message, sender = chance.choice(mine)
            yield {"do": "edit", "id": message, "sender": sender, "text": f"{n} edited"}
        elif len(mine) > 3 and what < 0.3:
            message, sender = mine.pop(chance.randrange(len(mine)))
            yield {"do": "delete", "id": message, "sender": sender}
        else:
            message, sender = str(uuid.UUID(int=chance.getrandbits(128), version=4)), chance.choice(users)
            mine.append((message, sender))
            yield {"do": "say", "id": message, "sender": sender, "text": f"{n} said"}


def application(port, key, log, talk, seed, number, pause, *users):
    """Writes down each step before it is made; after it was killed it makes the last one again, which may have been made."""
    log, number = pathlib.Path(log), int(number)
    done = len(log.read_text().splitlines()) if log.exists() else 0
    with log.open("a", buffering=1) as written:
        for n, step in enumerate(steps(seed, number, users)):
            if n < done - 1:
                continue
            if n >= done:
                written.write(json.dumps(step) + "\n")
                time.sleep(float(pause))
            make(port, key, talk, n, step)
    # The last one was answered as well.
    pathlib.Path(f"{log}.over").touch()


def make(port, key, talk, n, step):
    """Until it is answered: without an answer nobody knows, and the key makes it harmless to ask again."""
    message = f"/api/chat/messages/{step['id']}"
    method, path, body = {
        "say": lambda: ("POST", f"/api/chat/conversations/{talk}/messages", {"id": step["id"], "sender_id": step["sender"], "plaintext": step["text"]}),
        "edit": lambda: ("PUT", message, {"sender_id": step["sender"], "plaintext": step["text"]}),
        "delete": lambda: ("DELETE", f"{message}?user_id={step['sender']}", None),
    }[step["do"]]()
    while True:
        try:
            status, answer = Way(int(port), key)(method, path, body, f"Idempotency-Key: {n}\r\n")
            if status < 300:
                return
            assert status >= 500, (status, answer)
        except OSError:
            pass
        time.sleep(0.05)


# --- what is around it ---


class Person:
    """Somebody of Matrix who speaks in each of the rooms."""

    def __init__(self, it):
        self.operator = session(it.data)
        self.port, self.said = it.matrix, collections.defaultdict(list)

    def ask(self, method, path, body=None):
        """Until the homeserver answers."""
        while True:
            try:
                status, answer = Way(self.port, self.operator["access_token"])(method, path, body)
                if status < 300:
                    return json.loads(answer)
                assert status >= 429, (path, status, answer)
            except (OSError, json.JSONDecodeError):
                pass
            time.sleep(0.2)

    def say(self, room, n):
        text = f"of Matrix {n}"
        path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{uuid.uuid4().hex}"
        event = self.ask("PUT", path, {"msgtype": "m.text", "body": text})["event_id"]
        self.said[room].append((event, text))

    def events(self, room):
        """All of a room, oldest first."""
        found, start = [], None
        while True:
            query = "&from=" + urllib.parse.quote(start) if start else ""
            page = self.ask("GET", f"/_synapse/admin/v1/rooms/{room}/messages?dir=b&limit=500{query}")
            found += page["chunk"]
            start = page.get("end")
            if not start or not page["chunk"]:
                return found[::-1]


class Storm:
    def __init__(self, it, choice):
        self.it, self.choice, self.chance = it, choice, random.Random(choice.seed)
        self.killed = dict.fromkeys(VICTIMS, 0)
        self.folder, self.talks, self.apps = it.data / "app", [], {}
        self.folder.mkdir()
        each = choice.messages // TALKS
        # As long as the kills take.
        self.pause = choice.kills * 2.0 / each
        for n in range(TALKS):
            conversation, users = it.conversation(3)
            words = [it.port, it.key, self.folder / f"log-{n}", conversation, choice.seed + n, each, self.pause, *users]
            self.talks.append((conversation, users, [str(word) for word in words]))

    def start(self, n):
        self.apps[n] = subprocess.Popen([sys.executable, __file__, "application", *self.talks[n][2]])

    def is_over(self, n):
        return (self.folder / f"log-{n}.over").exists()

    def keep_running(self):
        """Whoever was killed begins again."""
        for n, app in list(self.apps.items()):
            if app.poll() is not None and not self.is_over(n):
                assert app.returncode == -9, f"the application gave up: {app.returncode}"
                self.start(n)

    def kill(self):
        victim = self.chance.choices(list(VICTIMS), VICTIMS.values())[0]
        try:
            if victim == "app":
                running = [app for app in self.apps.values() if app.poll() is None]
                if not running:
                    return
                self.chance.choice(running).kill()
            else:
                # It may not be back from the last time.
                os.kill(self.it.pid(victim), 9)
            self.killed[victim] += 1
        except (ProcessLookupError, KeyError, TypeError, json.JSONDecodeError, FileNotFoundError):
            pass

    def run(self, person, rooms):
        for n in range(TALKS):
            self.start(n)
        over = threading.Event()

        def speak():
            n = 0
            while not over.is_set():
                person.say(rooms[n % TALKS], n)
                n += 1
                over.wait(0.5)

        speaker = threading.Thread(target=speak)
        speaker.start()
        last = time.monotonic()
        while sum(self.killed.values()) < self.choice.kills:
            time.sleep(self.chance.uniform(0.5, 3.0))
            self.keep_running()
            self.kill()
            if time.monotonic() - last > 30:
                last = time.monotonic()
                print(f"killed {self.killed}", flush=True)
        while not all(map(self.is_over, range(TALKS))):
            self.keep_running()
            time.sleep(0.1)
        over.set()
        speaker.join()


def agrees(what, found, wanted):
    """Says where two lists part."""
    found, wanted = list(found), list(wanted)
    if found == wanted:
        return True
    first = next((n for n, pair in enumerate(zip(found, wanted)) if pair[0] != pair[1]), min(len(found), len(wanted)))
    print(f"{what}: {len(found)} and not {len(wanted)}; from {first}: {found[first : first + 3]} and not {wanted[first : first + 3]}")
    return False


def history(it, conversation):
    found, after = [], 0
    while page := it.way().ask("GET", f"/api/chat/conversations/{conversation}/messages?after={after}&limit=200")["messages"]:
        found += page
        after = page[-1]["sequence_number"]
    return found


def check(it, person, log, conversation, room):
    """The application's own log against what the relay has and what the room has."""
    said, edits, gone = {}, collections.defaultdict(list), set()
    for step in map(json.loads, log.read_text().splitlines()):
        if step["do"] == "say":
            said[step["id"]] = step["text"]
        elif step["do"] == "edit":
            edits[step["id"]].append(step["text"])
        else:
            gone.add(step["id"])
    last = {it: "" if it in gone else edits[it][-1] if edits[it] else text for it, text in said.items()}
    stored = history(it, conversation)
    ours = [message for message in stored if message["id"] in said]
    theirs = [message for message in stored if message["id"] not in said and message["plaintext"].startswith("of Matrix")]
    held = [
        agrees("stored", [(one["id"], one["plaintext"]) for one in ours], list(last.items())),
        agrees("deleted", sorted(one["id"] for one in ours if one["deleted_at_ms"]), sorted(gone)),
        agrees("of Matrix", [(one["matrix_event_id"], one["plaintext"]) for one in theirs], person.said[room]),
        agrees("numbers", [one["sequence_number"] for one in stored], range(1, len(stored) + 1)),
        agrees("nothing else", [one["plaintext"] for one in stored if one not in ours and one not in theirs and one["plaintext"] != "first"], []),
    ]
    # In the room: each message as its event, its edits behind it in their order, and one redaction of each that is gone,
    # whose edits are gone too.
    messages, changed, redacted = [], collections.defaultdict(list), []
    of_event = {one["matrix_event_id"]: one["id"] for one in ours}
    operator = person.operator["user_id"]
    for event in person.events(room):
        relation = event["content"].get("m.relates_to", {})
        if event["type"] == "m.room.redaction":
            redacted.append(of_event.get(event["content"].get("redacts") or event.get("redacts")))
        elif event["type"] != "m.room.message":
            continue
        elif relation.get("rel_type") == "m.replace":
            changed[of_event.get(relation["event_id"])].append(event["content"]["m.new_content"]["body"])
        elif event["sender"] == operator:
            messages.append(("", event["content"]["body"]))
        else:
            is_gone = "redacted_because" in event.get("unsigned", {})
            message = of_event.get(event["event_id"])
            # Of an edit that is gone nothing says any more whose it was.
            if message is not None or not is_gone:
                messages.append((message, None if is_gone else event["content"]["body"]))
    # What was deleted while it waited was never told.
    told = {one["id"] for one in ours if one["matrix_event_id"] or one["id"] not in gone}
    in_room = [one for one in messages if one[0] != "" and one[1] != "first"]
    held += [
        agrees("in the room", in_room, [(one, None if one in gone else text) for one, text in said.items() if one in told]),
        agrees("of Matrix in the room", [one[1] for one in messages if one[0] == ""], [text for _, text in person.said[room]]),
        agrees("edits in the room", sorted(((k, v) for k, v in changed.items()), key=str), sorted(((k, v) for k, v in edits.items() if v and k not in gone), key=str)),
        agrees("redactions in the room", sorted(filter(None, redacted)), sorted(gone & told)),
    ]
    print(f"{len(said)} messages, {sum(map(len, edits.values()))} edits, {len(gone)} deletions, {len(theirs)} of Matrix: {all(held)}", flush=True)
    return all(held)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    choice = parser.parse_args()
    print(f"seed {choice.seed}", flush=True)
    with relay(MATRIX_SYNAPSE_RESTARTS="100000") as it:
        person, storm = Person(it), Storm(it, choice)
        service, rooms = it.service(), []
        for conversation, users, _ in storm.talks:
            path = f"/api/chat/conversations/{conversation}"
            it.way().ask("POST", f"{path}/messages", {"sender_id": users[0], "plaintext": "first"})
            it.settled()
            room = it.way().ask("GET", path)["matrix_room_id"]
            maker = "?user_id=%40relay-service%3Abench.example"
            status, answer = service("POST", f"/_matrix/client/v3/rooms/{room}/invite{maker}", {"user_id": person.operator["user_id"]})
            assert status == 200, answer
            person.ask("POST", f"/_matrix/client/v3/rooms/{room}/join", {})
            rooms.append(room)
        begin = time.monotonic()
        storm.run(person, rooms)
        print(f"{sum(storm.killed.values())} kills in {time.monotonic() - begin:.0f} s: {storm.killed}", flush=True)
        until(lambda: run(PROGRAM, "status", env=it.env, check=False).returncode == 0)
        it.settled()
        # What people have said comes by itself.
        wanted = sum(map(len, person.said.values()))
        deadline = time.monotonic() + 120
        with it.database(autocommit=True) as database:
            count = "SELECT count(*) FROM relay.messages WHERE plaintext_content LIKE 'of Matrix%'"
            until(lambda: database.execute(count).fetchone()[0] >= wanted or time.monotonic() > deadline)
        dead = json.loads(run(PROGRAM, "content", "relay", "dead", "--format", "json", env=it.env).stdout)["dead"]
        held = [agrees("dead letters", dead, [])]
        for n, (conversation, _, _) in enumerate(storm.talks):
            held.append(check(it, person, storm.folder / f"log-{n}", conversation, rooms[n]))
    finish(*held)


if __name__ == "__main__":
    if sys.argv[1:2] == ["application"]:
        application(*sys.argv[2:])
    else:
        with_driver()
        main()
