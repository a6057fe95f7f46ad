"""`content list-users` of many users against curl asking for the same pages: time and peak memory, for each format.
`USERS=N` lists fewer or more than 10,000; `PAGES=1` prints how long the server takes for pages of several sizes.
"""

import os
import re
import subprocess
import time

from common import PROGRAM, ROOT, finish, instance, run, say, seconds, session

USERS = int(os.environ.get("USERS", 10_000))
TIMES = int(os.environ.get("TIMES", 7))
# In MB.
MOST = 24
# The page that the program asks for.
PAGE = int(re.search(r"const PAGE: u32 = (\d+);", (ROOT / "src/commands/content/users/list.rs").read_text())[1])


def fill(env, data):
    """The users, written into the database: the server would take minutes for so many."""
    statement = f"""
        INSERT INTO users (name, creation_ts, admin, is_guest, deactivated, locked, approved)
        SELECT '@user' || lpad(n::text, 7, '0') || ':bench.example', 1700000000 + n, 0, 0, 0, false, true FROM generate_series(1, {USERS}) n;
        INSERT INTO profiles (user_id, displayname, full_user_id)
        SELECT 'user' || lpad(n::text, 7, '0'), 'User number ' || n, '@user' || lpad(n::text, 7, '0') || ':bench.example' FROM generate_series(1, {USERS}) n;
        ANALYZE users; ANALYZE profiles"""
    script = ("import sys, psycopg2; c = psycopg2.connect(host=sys.argv[1], port=sys.argv[2], user='synapse', dbname='synapse'); "
              "c.autocommit = True; c.cursor().execute(sys.argv[3])")
    python = data / "environments/synapse/bin/python"
    run(python, "-c", script, data / "run/pg", env["MATRIX_SYNAPSE_EMBEDDED_DB_PORT"], statement, env={**env, "PGPASSFILE": str(data / "secrets/pgpass")})


def curl(env, data, page):
    """The same pages over one connection."""
    address = f"http://127.0.0.1:{env['MATRIX_SYNAPSE_PORT']}/_synapse/admin/v3/users?limit={page}&deactivated=false&locked=true&from=[0-{USERS}:{page}]"
    return ["curl", "-sf", "-H", f"Authorization: Bearer {session(data)['access_token']}", address]


def timed(words, env):
    """How long it takes, and how much memory at its peak, in MB."""
    begin = time.monotonic()
    process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return time.monotonic() - begin, usage.ru_maxrss / 1024


def best(values):
    """The time without what else the machine did meanwhile."""
    return sorted(values)[len(values) // 4]


with instance() as (env, data):
    fill(env, data)
    whole = run(PROGRAM, "content", "list-users", "-q", env=env).stdout.split()
    assert len(whole) == len(set(whole)) == USERS + 1, len(whole)
    if os.environ.get("PAGES"):
        for page in (250, 500, 1000, 2000, 5000, 10_000):
            took = best([seconds(lambda: run(*curl(env, data, page))) for _ in range(TIMES)])
            print(f"pages of {page}: {took:.3f} s")
    held = []
    for what in (["--format", "jsonl"], ["--json"], ["-q"], ["--format", "table"]):
        ours, theirs, peaks = [], [], []
        for _ in range(TIMES):
            took, peak = timed([PROGRAM, "content", "list-users", *what], env)
            ours.append(took)
            peaks.append(peak)
            theirs.append(timed(curl(env, data, PAGE), env)[0])
        held.append(say(f"{USERS} users, {' '.join(what)}", best(ours), best(theirs), 1.05))
        print(f"at its peak it took {max(peaks):.1f} MB (at most {MOST})")
        held.append(max(peaks) <= MOST)
    finish(*held)
