"""Backup and restore against what one would type: `pg_dump -Fc | zstd` and `tar | zstd` of the media, both at once and
one after the other; a second incremental backup with a hundredth of new media against the first; the way back against
`pg_restore -j2` and unpacking; and the memory of it all.

MESSAGES and MEDIA_MB say how much there is: 100000 and 1024 as the figures are meant. SEED names a file in which a backup
of that much is kept: it is made where it is not there, which takes a quarter of an hour, and restored where it is. ONLY=seed
ends then. Needs zstd and tar.
"""

import contextlib
import glob
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from common import PROGRAM, finish, instance, run, say, seconds, session

MESSAGES = int(os.environ.get("MESSAGES", "100000"))
MEDIA_MB = int(os.environ.get("MEDIA_MB", "1024"))
TIMES = int(os.environ.get("TIMES", "3"))
SEED = os.environ.get("SEED")
# Pictures of a telephone.
FILE = 1 << 20
MEMORY_MB = 64


def upload(url, token, count):
    """By four at once."""
    def some(first):
        for _ in range(first, count, 4):
            request = urllib.request.Request(f"{url}/_matrix/media/v3/upload", os.urandom(FILE), method="POST")
            request.add_header("Authorization", f"Bearer {token}")
            request.add_header("Content-Type", "application/octet-stream")
            urllib.request.urlopen(request).read()

    threads = [threading.Thread(target=some, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measured(*words, env):
    """How long a command of ours takes, what it prints, and the most memory it had itself, in MB."""
    with tempfile.TemporaryFile() as out:
        begin, most = time.monotonic(), 0
        child = subprocess.Popen([PROGRAM, *words, "--format", "json"], env=env, stdout=out, stderr=subprocess.DEVNULL)
        while child.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
                most = max(most, int(status.split("VmHWM:")[1].split()[0]))
            time.sleep(0.01)
        took = time.monotonic() - begin
        out.seek(0)
        text = out.read().decode()
    assert child.returncode == 0, text
    print(f"{' '.join(words[1:3])}: {took:.2f} s, {most / 1024:.1f} MB", flush=True)
    return took, json.loads(text), most / 1024


def sh(script, env):
    return seconds(lambda: subprocess.run(["bash", "-euc", "set -o pipefail; " + script], env=env, check=True))


def fill(env, data, folder):
    """Real sends, to four rooms at once, and real uploads."""
    operator = session(data)
    lines = folder / "lines"
    lines.write_text("".join(f"message {n}: what one says to another\n" for n in range(MESSAGES // 4)))
    rooms = [run(PROGRAM, "content", "create-room", f"Bench {n}", "--no-encryption", "-q", env=env).stdout.strip() for n in range(4)]
    sends = [subprocess.Popen([PROGRAM, "content", "send-message", room, "--file", str(lines)], env=env,
                              stdout=subprocess.DEVNULL) for room in rooms]
    assert not any([send.wait() for send in sends])
    upload(operator["url"], operator["access_token"], MEDIA_MB)
    if SEED:
        run(PROGRAM, "manage", "backup", "--to", SEED, env=env)


IS_MADE = SEED is not None and os.path.exists(SEED)

with instance() as (env, data), tempfile.TemporaryDirectory(prefix="rms-bench-backup-") as folder:
    folder = pathlib.Path(folder)
    # What a trial takes that there is nothing to restore in: a cluster is made, settings are checked.
    _, made, _ = measured("manage", "backup", "--to", str(folder), env=env)
    _, tried, _ = measured("manage", "backup", "verify", made["backups"][0]["path"], env=env)
    bare = tried["verified"]["restored_in"]
    if IS_MADE:
        run(PROGRAM, "manage", "restore", SEED, "--force", "--start", env=env)
    else:
        fill(env, data, folder)
    print(f"{MESSAGES} messages, {MEDIA_MB} MB of media", flush=True)
    if os.environ.get("ONLY") == "seed":
        sys.exit()
    operator = session(data)
    url, token = operator["url"], operator["access_token"]

    tools = sorted(glob.glob(str(data / "postgres/**/bin/pg_dump"), recursive=True) + glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))
    by_hand = env | {
        "PATH": f"{os.path.dirname(tools[0])}:{env['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": env["MATRIX_SYNAPSE_EMBEDDED_DB_PORT"],
        "PGUSER": "synapse",
        "PGDATABASE": "synapse",
        "PGPASSWORD": (data / "secrets/database_password").read_text().strip(),
    }
    database = f"pg_dump -Fc --compress=0 | zstd -q -3 -f -o {folder}/db.zst"
    media = f"tar -C {data} -c media | zstd -q -3 -f -o {folder}/media.tar.zst"
    ours, at_once, in_turn, memory = [], [], [], []
    for _ in range(TIMES):
        took, made, used = measured("manage", "backup", "--to", str(folder), env=env)
        ours.append(took)
        memory.append(used)
        whole = made["backups"][0]["path"]
        # Ours is on the disk when it has its name.
        kept = f"sync {folder}/db.zst {folder}/media.tar.zst"
        at_once.append(sh(f"{database} & p=$!; {media}; wait $p; {kept}", by_hand))
        in_turn.append(sh(f"{database}; {media}; {kept}", by_hand))
    held = [
        say("backup against both at once", statistics.median(ours), statistics.median(at_once), 1.10),
        say("backup against one after the other", statistics.median(ours), statistics.median(in_turn), 0.7),
    ]

    key = folder / "key"
    key.write_text("a passphrase of some words\n")
    took, made, used = measured("manage", "backup", "--to", str(folder), "--passphrase-file", str(key), env=env)
    say("encrypted backup against a plain one", took, statistics.median(ours), None)
    memory.append(used)
    sealed = made["backups"][0]["path"]

    depot = folder / "depot"
    depot.mkdir()
    first, _, used = measured("manage", "backup", "--to", str(depot), "--incremental", env=env)
    memory.append(used)
    upload(url, token, max(1, MEDIA_MB // 100))
    second, made, used = measured("manage", "backup", "--to", str(depot), "--incremental", env=env)
    memory.append(used)
    print(f"second incremental backup: {made['stored']}")
    held.append(say("second incremental backup against the first", second, first, 0.12))

    for path, more in ((whole, []), (sealed, ["--passphrase-file", str(key)])):
        _, tried, used = measured("manage", "backup", "verify", path, *more, env=env)
        memory.append(used)
        restored = tried["verified"]["restored_in"]
        again = sh(
            "psql -q -c 'DROP DATABASE IF EXISTS again' -c 'CREATE DATABASE again' postgres;"
            f"zstd -q -d -f -o {folder}/db {folder}/db.zst; pg_restore -j2 --no-owner -d again {folder}/db & p=$!;"
            f"mkdir {folder}/again; zstd -dc {folder}/media.tar.zst | tar -C {folder}/again -x; wait $p; sync -f {folder}",
            by_hand | {"PGUSER": "postgres", "PGPASSWORD": (data / "secrets/postgres_superuser_password").read_text().strip()},
        )
        shutil.rmtree(folder / "again")
        limit = None if more else 1.10
        kind = "restore of an encrypted one" if more else "restore"
        say(f"{kind}, compared and with a PostgreSQL of its own", restored, again, None)
        held.append(say(f"{kind}, what it takes longer than that of an empty homeserver", restored - bare, again, limit))
        print(f"verify: restored and compared in {restored:.1f} s, started in {tried['verified']['started_in']:.1f} s")
    held.append(say("memory", max(memory), MEMORY_MB, 1.0, "MB"))
    sys.stdout.flush()
    finish(*held)
