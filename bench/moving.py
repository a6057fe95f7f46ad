"""kill -9 at random while our own PostgreSQL becomes one of a newer major version: each time the homeserver starts
again with all that was in it. The machine needs an older PostgreSQL than the one that is installed along.
How many rounds (50) and the seed of the moments may be named."""

import pathlib
import random
import subprocess
import sys
import time

from common import PROGRAM, finish, instance, run

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
RANDOM = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)


with instance() as (env, data):
    def ours(*words):
        return run(PROGRAM, *words, env=env).stdout

    def version():
        return (pathlib.Path(data) / "postgres/data/PG_VERSION").read_text().strip()

    room = ours("content", "create-room", "Kept", "--no-encryption", "-q").strip()
    for n in range(20):
        ours("content", "send-message", room, f"line {n}")
    ours("manage", "stop")
    old, begun = version(), time.monotonic()
    ours("manage", "upgrade-postgres")
    whole, new = time.monotonic() - begun, version()
    ours("manage", "upgrade-postgres", "--undo")
    ends = {old: 0, new: 0}
    for _ in range(ROUNDS):
        upgrade = subprocess.Popen([PROGRAM, "manage", "upgrade-postgres"], env=env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(RANDOM.uniform(0, whole * 1.1))
        upgrade.kill()
        upgrade.wait()
        ends[version()] += 1
        ours("manage", "start")
        seen = ours("content", "read-messages", room, "--limit", "100")
        assert all(f"line {n}" in seen for n in range(20)), seen
        ours("manage", "stop")
        if version() == new:
            ours("manage", "upgrade-postgres", "--undo")
    print(f"an upgrade takes {whole:.1f} s; killed {ROUNDS} times: {ends[old]} times the old one was there, {ends[new]} times the new one")
finish()
