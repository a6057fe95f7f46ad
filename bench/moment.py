"""Kills `manage restore --at` at a random moment, many times: afterwards the database is the old one or the new one, whole,
and the homeserver starts with it. Says also how long a restore takes that is not killed.

usage: moment.py [TIMES] [SEED]
"""

import datetime
import json
import random
import subprocess
import sys
import tempfile
import time

from common import PROGRAM, finish, instance, run, seconds, until

TIMES = int(sys.argv[1]) if len(sys.argv) > 1 else 50
random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)


def next_second():
    """A whole second after everything that was done until now."""
    at = int(time.time()) + 1
    until(lambda: time.time() > at + 0.05)
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


with instance(more={"MATRIX_SYNAPSE_BACKUP_POINT_IN_TIME": "true"}) as (env, data), tempfile.TemporaryDirectory() as to:
    run(PROGRAM, "manage", "backup", "--to", to, env=env)
    room = run(PROGRAM, "content", "create-room", "Moments", "--no-encryption", "-q", env=env).stdout.strip()
    send = lambda text: run(PROGRAM, "content", "send-message", room, text, env=env)

    def bodies():
        said = run(PROGRAM, "content", "read-messages", room, "--limit", "1000", "--format", "json", env=env).stdout
        return [message["body"] for message in json.loads(said)["messages"]]

    next_second()
    send("first")
    at = next_second()
    send("gone")
    whole = seconds(lambda: run(PROGRAM, "manage", "restore", "--at", at, env=env))
    there = bodies()
    good = there == ["first"]
    print(f"a restore that is not killed: {whole:.1f} s, {'right' if good else 'WRONG'}")
    new = 0
    for number in range(TIMES):
        send(f"kept {number}")
        at = next_second()
        send(f"late {number}")
        restore = subprocess.Popen([PROGRAM, "manage", "restore", "--at", at], env=env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = random.uniform(0, whole)
        time.sleep(after)
        restore.kill()
        restore.wait()
        started = run(PROGRAM, "manage", "start", env=env, check=False)
        found = bodies() if started.returncode in (0, 2) else started.stderr
        came = there + [f"kept {number}"]
        if found == came:
            new += 1
        elif found != came + [f"late {number}"]:
            print(f"killed after {after:.2f} s: WRONG: {found}")
            good = False
            break
        there = found
    print(f"killed {TIMES} times: {new} times the new one, else the old one")
    finish(good)
