"""`manage start` against the same PostgreSQL and Synapse started by hand, one after the other."""

import json
import os
import signal
import subprocess
import time
import urllib.request

from common import PROGRAM, finish, in_turns, instance, run, say, seconds, until


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
    child_env = {k: v for k, v in env.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"LC_ALL": "C"}
    as_user = ["unshare", "-U", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []
    ready = os.path.join(os.path.dirname(words["postgres"][0]), "pg_isready")
    health = f"http://127.0.0.1:{env['MATRIX_SYNAPSE_PORT']}/health"
    run(PROGRAM, "manage", "stop", env=env)

    def ours():
        took = seconds(lambda: run(PROGRAM, "manage", "start", env=env))
        run(PROGRAM, "manage", "stop", env=env)
        return took

    def by_hand():
        begin = time.monotonic()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": child_env, "cwd": data}
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

    finish(say("manage start, warm, embedded", *in_turns(ours, by_hand, 5), 1.25))
