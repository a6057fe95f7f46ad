"""For how long nobody is answered while `manage upgrade` exchanges two versions, against `manage restart` of the same
server: both are measured from outside, by asking all the time. And what a command that is killed leaves: `KILLS` times
(50 where nothing else is said) at a random moment it is the old version or the new one, whole, and run again it ends.

`OLD` is the version to begin with, by default 1.150.0.
"""

import json
import os
import random
import signal
import statistics
import subprocess
import threading
import time
import urllib.request

from common import PROGRAM, finish, instance, run, say, until

OLD = os.environ.get("OLD", "1.150.0")
KILLS = int(os.environ.get("KILLS", "50"))
TIMES = int(os.environ.get("TIMES", "5"))


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


def away(url, action):
    """The longest time between two answers while something is done."""
    over, longest = threading.Event(), [0.0]

    def watch():
        last = time.monotonic()
        while not over.is_set():
            asked = time.monotonic()
            if answers(url):
                longest[0] = max(longest[0], time.monotonic() - last)
                last = asked
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    action()
    while not answers(url):
        time.sleep(0.01)
    over.set()
    watcher.join()
    return longest[0]


def leads_back(env):
    return run(PROGRAM, "manage", "rollback", "--dry-run", env=env, check=False).returncode == 0


with instance(more={"MATRIX_SYNAPSE_VERSION": OLD}) as (env, data):
    # The install wrote it down.
    del env["MATRIX_SYNAPSE_VERSION"]
    url = f"http://127.0.0.1:{env['MATRIX_SYNAPSE_PORT']}/_matrix/client/versions"
    room = run(PROGRAM, "content", "create-room", "Bench", "--no-encryption", "-q", env=env).stdout.strip()
    run(PROGRAM, "content", "send-message", room, "here from the first day", env=env)
    began = time.monotonic()
    done = json.loads(run(PROGRAM, "manage", "upgrade", "--format", "json", env=env).stdout)
    new = done["version"]
    print(f"{OLD} -> {new}, with backup and new environment: {time.monotonic() - began:.1f} s, away for {done['away']} s")

    # What the new version does to the database has to end before the old one may come back.
    until(lambda: leads_back(env))
    restarts, changes = [], []
    for _ in range(TIMES):
        restarts.append(away(url, lambda: run(PROGRAM, "manage", "restart", env=env)))
        changes.append(away(url, lambda: run(PROGRAM, "manage", "rollback", env=env)))
        restarts.append(away(url, lambda: run(PROGRAM, "manage", "restart", env=env)))
        changes.append(away(url, lambda: run(PROGRAM, "manage", "upgrade", "--no-backup", env=env)))
    held = [say("nobody is answered", statistics.median(changes), statistics.median(restarts), 1.2)]

    # Upgrades and rollbacks that are killed, at moments all over the time that one takes.
    began = time.monotonic()
    run(PROGRAM, "manage", "rollback", env=env)
    took = time.monotonic() - began
    whole = 0
    for n in range(KILLS):
        words = ["upgrade", "--no-backup"] if n % 2 == 0 else ["rollback"]
        child = subprocess.Popen(
            [PROGRAM, "manage", *words], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            child.wait(random.uniform(0, took * 1.1))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
        link = os.readlink(data / "environments/synapse")
        is_one = link.startswith((f"synapse-{OLD}-", f"synapse-{new}-")) and (data / "environments" / link / ".complete").exists()
        # The way that it was going, to its end: nothing to do (2) where it had got there.
        to = new if n % 2 == 0 else OLD
        again = run(PROGRAM, "manage", words[0], *words[1:], "--to", to, env=env, check=False)
        run(PROGRAM, "manage", "start", env=env, check=False)
        status = json.loads(run(PROGRAM, "status", "--json", env=env).stdout)
        read = run(PROGRAM, "content", "read-messages", room, env=env, check=False).stdout
        if is_one and again.returncode in (0, 2) and status["running_version"] == to and "from the first day" in read:
            whole += 1
        else:
            print(f"kill {n}: {link}, exit {again.returncode}, {status.get('running_version')}: {again.stderr[-400:]}")
    print(f"killed {KILLS} times: {whole} were old or new, whole, and ended when run again")
    held.append(whole == KILLS)

finish(*held)
