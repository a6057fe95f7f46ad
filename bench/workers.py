"""`manage start` of main and four workers against the same processes started by hand: PostgreSQL and
Redis, then main, then all workers at once."""

import json
import os
import signal
import socket
import subprocess
import time

from common import PROGRAM, by_itself, finish, free_port, in_turns, instance, run, say, until, warm_start

WORKERS = ["generic-1", "synchrotron-1", "event-persister-1", "background-1"]
more = {f"MATRIX_SYNAPSE_PROXY_{kind}_PORT": str(free_port()) for kind in ("HTTP", "HTTPS", "FEDERATION")}
more["MATRIX_SYNAPSE_PROFILE"] = "scale"


def healthy(address):
    """Whether GET /health is answered with 200, on a port or on a unix socket."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    try:
        with socket.socket(family) as s:
            s.connect(address)
            s.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            return b" 200 " in s.recv(64)
    except OSError:
        return False


with instance(more=more) as (env, data):
    listed = json.loads(run(PROGRAM, "manage", "services", "--format", "json", env=env).stdout)["services"]
    words = {service["name"]: service["command"] for service in listed}
    sockets = data / "run"
    program = next(word for word in words["postgres"] if word.endswith("/postgres"))
    ready = os.path.join(os.path.dirname(program), "pg_isready")
    run(PROGRAM, "manage", "stop", env=env)

    def by_hand():
        begin = time.monotonic()
        quiet = by_itself(env, data)
        postgres = subprocess.Popen(words["postgres"], **quiet)
        redis = subprocess.Popen(words["redis"], **quiet)
        port = env["MATRIX_SYNAPSE_EMBEDDED_DB_PORT"]
        until(lambda: run(ready, "-h", "127.0.0.1", "-p", port, check=False).returncode == 0)
        main = subprocess.Popen(words["synapse"], **quiet)
        until(lambda: healthy(("127.0.0.1", int(env["MATRIX_SYNAPSE_PORT"]))))
        workers = [subprocess.Popen(words[name], **quiet) for name in WORKERS]
        until(lambda: all(healthy(str(sockets / f"{name}.http")) for name in WORKERS))
        took = time.monotonic() - begin
        for process in [*workers, main, redis]:
            process.send_signal(signal.SIGTERM)
        for process in [*workers, main, redis]:
            process.wait()
        postgres.send_signal(signal.SIGINT)
        postgres.wait()
        return took

    finish(say("manage start, warm, main and four workers", *in_turns(lambda: warm_start(env), by_hand, 3), 1.25))
