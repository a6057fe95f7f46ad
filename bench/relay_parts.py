"""What the figures of the relay are made with: a server that has one, and thin ways to talk to it."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from common import PROGRAM, free_port, instance, run, until

PREFIX = "nova"


def with_driver():
    """Begins again with psycopg in a throw-away environment, where Python has none."""
    try:
        import psycopg  # noqa: F401
    except ModuleNotFoundError:
        folder = tempfile.mkdtemp(prefix="rms-driver-")
        try:
            run(sys.executable, "-m", "venv", folder)
            run(f"{folder}/bin/pip", "install", "-q", "psycopg[binary]")
            sys.exit(subprocess.run([f"{folder}/bin/python", *sys.argv]).returncode)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class Way:
    """One connection that is kept, with as little around it as the driver of a database has."""

    def __init__(self, port, token):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = f"Host: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        self.rest = b""

    def __call__(self, method, path, body=None, more=""):
        body = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self.head}{more}Content-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)
        while (end := self.rest.find(b"\r\n\r\n")) < 0:
            self.more()
        head = self.rest[:end].lower()
        self.rest = self.rest[end + 4 :]
        at = head.find(b"content-length:")
        if at >= 0:
            body = self.take(int(head[at + 15 :].split(b"\r\n", 1)[0]))
        else:
            body = b"".join(self.chunks()) if b"chunked" in head else b""
        return int(head[9:12]), body

    def take(self, length):
        while len(self.rest) < length:
            self.more()
        taken, self.rest = self.rest[:length], self.rest[length:]
        return taken

    def chunks(self):
        length = -1
        while length:
            while b"\r\n" not in self.rest:
                self.more()
            length = int(self.take(self.rest.find(b"\r\n")), 16)
            yield self.take(length + 4)[2:-2]

    def more(self):
        some = self.socket.recv(65536)
        if not some:
            raise ConnectionError("it was closed")
        self.rest += some

    def ask(self, method, path, body=None, more=""):
        status, answer = self(method, path, body, more)
        assert 200 <= status < 300, (status, answer)
        return json.loads(answer)


class Relay:
    """A server with a relay, as a program of the application and as the homeserver see it."""

    def __init__(self, env, data):
        self.env, self.data = env, data
        self.port = int(env["MATRIX_SYNAPSE_RELAY_PORT"])
        self.matrix = int(env["MATRIX_SYNAPSE_PORT"])
        self.key = run(PROGRAM, "content", "relay", "add-key", "app", "-q", env=env).stdout.strip()

    def secret(self, name):
        return (self.data / "secrets" / name).read_text().strip()

    def way(self):
        return Way(self.port, self.key)

    def homeserver(self):
        """As the homeserver comes to it."""
        return Way(self.port, self.secret("relay_hs_token"))

    def service(self):
        """As it comes to the homeserver."""
        return Way(self.matrix, self.secret("relay_as_token"))

    def database(self, user="synapse_relay", password="relay_database_password", **more):
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.env["MATRIX_SYNAPSE_EMBEDDED_DB_PORT"], user=user,
            password=self.secret(password), dbname="synapse_relay", **more,
        )

    @contextlib.contextmanager
    def slower_disk(self, milliseconds):
        """While each commit waits that much longer before it is written."""
        with self.database("postgres", "postgres_superuser_password", autocommit=True) as database:
            for setting, value in (("commit_siblings", 0), ("commit_delay", 1000 * milliseconds)):
                database.execute(f"ALTER SYSTEM SET {setting} = {value}")
            database.execute("SELECT pg_reload_conf()")
            yield
            database.execute("ALTER SYSTEM RESET ALL")
            database.execute("SELECT pg_reload_conf()")

    def conversation(self, people=2):
        """The path of its messages, and who takes part."""
        users = [str(uuid.uuid4()) for _ in range(people)]
        new = {"participants": [{"user_id": user, "name": f"user {n}"} for n, user in enumerate(users)]}
        made = self.way().ask("POST", "/api/chat/conversations", new)
        return made["id"], users

    def pid(self, service="relay"):
        return json.loads((self.data / "run/state.json").read_text())["services"][service]["pid"]

    def memory(self):
        """What of it is in memory, in KB."""
        lines = pathlib.Path(f"/proc/{self.pid()}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def processor(self):
        """How many seconds of a processor each has had, PostgreSQL with those of its processes that run."""
        tick, used = os.sysconf("SC_CLK_TCK"), dict.fromkeys(("relay", "synapse", "postgres"), 0.0)
        pids = {self.pid(name): name for name in used}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                words = stat.read_text().rpartition(")")[2].split()
                name = pids.get(int(stat.parent.name)) or pids.get(int(words[1]))
                if name:
                    used[name] += (int(words[11]) + int(words[12])) / tick
        return used

    @contextlib.contextmanager
    def alone(self):
        """While the homeserver is away: all that there is to tell it is written, and it takes no processor from anybody."""
        run(PROGRAM, "manage", "stop", "synapse", env=self.env)
        yield
        with self.database(autocommit=True) as database:
            database.execute("DELETE FROM relay.outbox")
        run(PROGRAM, "manage", "start", env=self.env)

    def settled(self):
        """Until the homeserver has been told all."""
        with self.database(autocommit=True) as database:
            nothing = "SELECT NOT EXISTS (SELECT FROM relay.outbox WHERE refused_at IS NULL)"
            while not database.execute(nothing).fetchone()[0]:
                time.sleep(0.1)


@contextlib.contextmanager
def relay(**more):
    variables = {
        "MATRIX_SYNAPSE_PROFILE": "relay",
        "MATRIX_SYNAPSE_RELAY_PORT": str(free_port()),
        "MATRIX_SYNAPSE_RELAY_PREFIX": PREFIX,
        # What is measured is how fast it is, not how it is held back.
        "MATRIX_SYNAPSE_RELAY_KEY_RATE": "0",
        **more,
    }
    with instance(more=variables) as (env, data):
        yield Relay(env, data)


def p95(times):
    return statistics.quantiles(times, n=20)[-1]


def timed(action):
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def wanted():
    """Which figures: those that are named, or all."""
    return [word for word in sys.argv[1:] if not word.startswith("-")]


def number(name, default):
    return int(os.environ.get(name, default))
