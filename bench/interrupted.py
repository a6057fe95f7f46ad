"""kill -9 at random in a backup and in a restore, many times each. Of a backup that was killed nothing has a final name but
what is whole, and the next one is made as if nothing had been; a restore that was killed ends when it is typed again, and
nothing starts before that. What was acknowledged is there each time, and so is each file.

usage: interrupted.py [TIMES] [SEED]
"""

import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

from common import PROGRAM, finish, instance, run, seconds

TIMES = int(sys.argv[1]) if len(sys.argv) > 1 else 50
random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)


def killed(words, env, whole):
    """Runs it for a random part of the time that it takes; whether it got to its end before that."""
    child = subprocess.Popen([PROGRAM, *words], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return child.wait(random.uniform(0, whole)) == 0
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return False


with instance() as (env, data), tempfile.TemporaryDirectory(prefix="rms-bench-interrupted-") as to:
    to = pathlib.Path(to)
    room = run(PROGRAM, "content", "create-room", "Kept", "--no-encryption", "-q", env=env).stdout.strip()
    lines = to / "lines"
    lines.write_text("".join(f"line {n}\n" for n in range(500)))
    run(PROGRAM, "content", "send-message", room, "--file", str(lines), env=env)
    picture = to / "picture.bin"
    sums = {}
    for n in range(20):
        picture.write_bytes(os.urandom(2 << 20))
        sent = json.loads(run(PROGRAM, "content", "send-media", room, str(picture), "--format", "json", env=env).stdout)
        sums[sent["url"]] = hashlib.sha256(picture.read_bytes()).hexdigest()
    words = to / "words"
    words.write_text("six words that nobody ever guesses\n")
    places = [to / kind for kind in ("plain", "sealed", "incremental")]
    for place in places:
        place.mkdir()
    kinds = [
        ["manage", "backup", "--to", str(places[0])],
        ["manage", "backup", "--to", str(places[1]), "--passphrase-file", str(words)],
        ["manage", "backup", "--to", str(places[2]), "--incremental"],
    ]
    opened = [[], ["--passphrase-file", str(words)], []]

    def bodies():
        said = run(PROGRAM, "content", "read-messages", room, "--limit", "1000", "--format", "json", env=env).stdout
        return [message["body"] for message in json.loads(said)["messages"]]

    def named(place):
        return sorted(path for path in place.glob("*.tar.zst*") if not path.name.startswith("."))

    there = bodies()
    good, ended = True, 0
    whole = [seconds(lambda kind=kind: run(PROGRAM, *kind, env=env)) for kind in kinds]
    for number in range(TIMES):
        which = number % len(kinds)
        place = places[which]
        before = named(place)
        ended += killed(kinds[which], env, whole[which])
        for path in set(named(place)) - set(before):
            shown = run(PROGRAM, "manage", "backup", "show", str(path), *opened[which], env=env, check=False)
            if shown.returncode != 0:
                print(f"backup {number}: {path.name} is not whole: {shown.stderr[-300:]}")
                good = False
        # What is left is no obstacle, and goes.
        for path in named(place):
            run(PROGRAM, "manage", "backup", "remove", str(path), env=env)
        run(PROGRAM, *kinds[which], env=env)
        lists = [path.name.replace(".inc.tar.zst", ".blobs.zst") for path in named(place)]
        known = ["blobs", ".backup.lock", *lists, *(path.name for path in named(place))]
        left = [path.name for path in place.iterdir() if path.name not in known]
        if left:
            print(f"backup {number}: {left} is left")
            good = False
    print(f"backups of {', '.join(f'{it:.1f} s' for it in whole)} killed {TIMES} times: {ended} had ended, nothing that is not whole has a name")

    archives = [named(place)[-1] for place in places]
    ways = [["manage", "restore", str(path), "--force", "--start", *more] for path, more in zip(archives, opened)]
    whole = seconds(lambda: run(PROGRAM, *ways[0], env=env))
    ended = 0
    for number in range(TIMES):
        # What was there before would fill the disk.
        for old in data.parent.glob(f"{data.name}*before*"):
            subprocess.run(["rm", "-rf", str(old)], check=True)
        way = ways[number % len(ways)]
        if killed(way, env, whole):
            ended += 1
        else:
            status = run(PROGRAM, "status", "--json", env=env, check=False)
            again = run(PROGRAM, *way, env=env, check=False)
            if again.returncode != 0:
                print(f"restore {number}: exit {again.returncode}: {again.stderr[-500:]}")
                good = False
                break
        if bodies() != there:
            print(f"restore {number}: other messages")
            good = False
            break
        for url, wanted in list(sums.items())[:: max(1, len(sums) // 3)]:
            out = to / "out.bin"
            out.unlink(missing_ok=True)
            run(PROGRAM, "content", "download-media", url, "--out", str(out), env=env)
            if hashlib.sha256(out.read_bytes()).hexdigest() != wanted:
                print(f"restore {number}: {url} is another file")
                good = False
    print(f"restores of {whole:.1f} s killed {TIMES} times: {ended} had ended, the others ended when typed again")
    finish(good)
