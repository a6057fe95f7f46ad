"""Who reads along with a relay over WebSockets: what one who hears nothing costs, and how soon many hear what is said."""

import json
import multiprocessing
import select
import socket
import struct
import time

from common import say
from relay_parts import number, p95

IDLE = 10_000
# Who talks with one another.
TALK = 10
HANDSHAKE = (
    "GET /api/chat/socket?{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {key}\r\n\r\n"
)


class Socket:
    """A WebSocket that only listens, and answers pings."""

    def __init__(self, port, key, query=""):
        self.stream = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.stream.sendall(HANDSHAKE.format(query=query, key=key).encode())
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.stream.recv(4096)
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.stream.setblocking(False)

    def heard(self):
        """The texts that have come."""
        try:
            self.rest += (some := self.stream.recv(65536))
        except BlockingIOError:
            return
        assert some, "a reader was cut off"
        while len(self.rest) >= 2:
            kind, length, begin = self.rest[0] & 15, self.rest[1], 2
            if length == 126:
                if len(self.rest) < 4:
                    return
                (length,), begin = struct.unpack(">H", self.rest[2:4]), 4
            if len(self.rest) < begin + length:
                return
            said, self.rest = self.rest[begin : begin + length], self.rest[begin + length :]
            if kind == 9:
                self.stream.send(b"\x8a\x80\0\0\0\0")
            elif kind == 1:
                yield said


def listen(port, key, queries, end, times):
    """Reads along in a process of its own, and says when each heard each."""
    sockets = {}
    poll = select.epoll()
    for query in queries:
        one = Socket(port, key, query)
        sockets[one.stream.fileno()] = one
        poll.register(one.stream, select.EPOLLIN)
    end.send("here")
    found = []
    while not end.poll():
        # Taken first and understood later, so that one that is ready does not wait for another's JSON.
        for number, _ in poll.poll(0.2):
            heard = list(sockets[number].heard())
            now = time.monotonic()
            found += [(now, said) for said in heard]
    end.recv()
    if times:
        texts = ((now, json.loads(said)) for now, said in found)
        end.send([(now, said["document"]["plaintext"]) for now, said in texts if said["type"] == "message.new"])
    end.send("over")


class Listeners:
    """As many processes as are needed for so many."""

    def __init__(self, it, queries, processes=1, times=True):
        self.all, self.times = [], times
        for part in range(processes):
            ours, theirs = multiprocessing.Pipe()
            words = (it.port, it.key, queries[part::processes], theirs, times)
            process = multiprocessing.Process(target=listen, args=words)
            process.start()
            self.all.append((process, ours))
        for _, end in self.all:
            assert end.recv() == "here"

    def over(self):
        found = []
        for process, end in self.all:
            end.send("over")
            if self.times:
                found += end.recv()
            assert end.recv() == "over"
            process.join()
        return found


def idle(it):
    """Ten thousand who hear nothing."""
    conversation, _ = it.conversation()
    many = number("IDLE", IDLE)
    # What the first need, such as threads, is not theirs.
    first = Listeners(it, [f"conversation_id={conversation}"] * 200, times=False)
    before = it.memory()
    readers = Listeners(it, [f"conversation_id={conversation}"] * (many - 200), 2, times=False)
    seen = []
    for _ in range(4):
        time.sleep(10)
        seen.append((it.memory() - before) / (many - 200))
    print("KB a reader, every ten seconds: " + " ".join(f"{one:.2f}" for one in seen))
    readers.over()
    first.over()
    return [say(f"memory of each of {many} who hear nothing", max(seen), 12, 1.0, "KB")]


def heard(it, readers, talk):
    """How long from the request until each reader of a conversation has heard it."""
    talks = [it.conversation() for _ in range(readers // talk)]
    queries = [f"conversation_id={conversation}" for conversation, _ in talks for _ in range(talk)]
    listeners, way, sent = Listeners(it, queries), it.way(), {}
    try:
        for n in range(number("TIMES", 300)):
            conversation, users = talks[n % len(talks)]
            text = f"{readers} {n}"
            sent[text] = time.monotonic()
            way.ask("POST", f"/api/chat/conversations/{conversation}/messages", {"sender_id": users[0], "plaintext": text})
            time.sleep(0.02)
        time.sleep(1)
    finally:
        found = listeners.over()
    assert len(found) == len(sent) * talk, f"{len(found)} of {len(sent) * talk} were heard"
    return [now - sent[text] for now, text in found]


def active(it):
    """A thousand who hear what is said against a hundred, at the same rate of messages."""
    with it.alone():
        return active_alone(it)


def active_alone(it):
    held, many, few = [], [], []
    for _ in range(number("ROUNDS", 3)):
        many += heard(it, 1000, TALK)
        few += heard(it, 100, TALK)
    held.append(say("heard by all of a thousand, ten in a conversation, p95 against a hundred", p95(many), p95(few), 1.3))
    many, few = heard(it, 1000, 1000), heard(it, 100, 100)
    say("the same where all are in one conversation", p95(many), p95(few), None)
    return held
