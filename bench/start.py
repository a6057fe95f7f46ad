"""`manage start` against the same PostgreSQL and Synapse started by hand, one after the other."""

import json
import os
import signal
import subprocess
import time
import urllib.request

from common import PROGRAM, by_itself, finish, in_turns, instance, run, say, until, warm_start


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


def command_of(pid):
    words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")[:-1]
    return [os.fsdecode(w) for w in words]


with instance() as (env, data):
    state = json.loads((data / "run/state.json").read_text())["services"]
    words = {name: command_of(state[name]["pid"]) for name in ("postgres", "synapse")}
    as_user = ["unshare", "-U", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []
    ready = os.path.join(os.path.dirname(words["postgres"][0]), "pg_isready")
    health = f"http://127.0.0.1:{env['MATRIX_SYNAPSE_PORT']}/health"
    run(PROGRAM, "manage", "stop", env=env)

    def by_hand():
        begin = time.monotonic()
        quiet = by_itself(env, data)
        postgres = subprocess.Popen(as_user + words["postgres"], **quiet)
        port = env["MATRIX_SYNAPSE_EMBEDDED_DB_PORT"]
        until(lambda: run(ready, "-h", "127.0.0.1", "-p", port, check=False).returncode == 0)
        synapse = subprocess.Popen(words["synapse"], **quiet)
        until(lambda: answers(health))
        took = time.monotonic() - begin
        synapse.send_signal(signal.SIGTERM)
        synapse.wait()
        postgres.send_signal(signal.SIGINT)
        postgres.wait()
        return took

    finish(say("manage start, warm, embedded", *in_turns(lambda: warm_start(env), by_hand, 5), 1.25))
