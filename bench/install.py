"""`manage install` into an empty folder against the same steps by hand, both with a warm cache: the
packages, from the first keystroke to the finished environment, and the whole."""

import glob
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from common import PROGRAM, ROOT, finish, instance, run, say, seconds

LOCK = ROOT / "src/python/synapse.lock"
POSTGRES = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
# PostgreSQL does not run as root.
AS_USER = ["unshare", "-U", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []


def packages(folder):
    run("uv", "venv", "-q", folder / "venv")
    run("uv", "pip", "install", "-q", "--python", folder / "venv/bin/python", "--compile-bytecode",
        "--only-binary", ":all:", "--require-hashes", "-r", LOCK)


def database(folder):
    cluster, password = folder / "cluster", folder / "password"
    password.write_text("secret")
    run(*AS_USER, POSTGRES / "initdb", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--data-checksums",
        "--username=postgres", f"--pwfile={password}", f"--pgdata={cluster}")
    server = subprocess.Popen(
        [*AS_USER, POSTGRES / "postgres", "-D", cluster, "-k", folder, "-c", "listen_addresses="],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    while run(POSTGRES / "pg_isready", "-h", folder, check=False).returncode:
        time.sleep(0.02)
    env = {**os.environ, "PGPASSWORD": "secret"}
    run(POSTGRES / "psql", "-h", folder, "-U", "postgres", "-c", "CREATE ROLE synapse LOGIN PASSWORD 'secret'",
        "-c", "CREATE DATABASE synapse OWNER synapse TEMPLATE template0", env=env)
    server.terminate()
    server.wait()


def settings(folder, homeserver):
    python = folder / "venv/bin/python"
    run(python, "-m", "synapse._scripts.generate_signing_key", "-o", folder / "signing.key")
    run(python, "-m", "synapse.config", "read", "server.server_name", "-c", homeserver)


with instance(start=False) as (env, data):

    def ours():
        shutil.rmtree(data)
        begin = time.time()
        run(PROGRAM, "manage", "install", env=env)
        return (data / "environments/synapse/.complete").stat().st_mtime - begin, time.time() - begin

    def by_hand():
        folder = pathlib.Path(tempfile.mkdtemp(prefix="rms-bench-hand-"))
        try:
            filled = seconds(lambda: packages(folder))
            rest = seconds(lambda: (database(folder), settings(folder, data / "synapse/homeserver.yaml")))
        finally:
            shutil.rmtree(folder)
        return filled, filled + rest

    rounds = [(ours(), by_hand()) for _ in range(3)]
    median = lambda who, what: statistics.median(it[who][what] for it in rounds)
    finish(
        say("the packages of manage install, warm cache, against uv by hand", median(0, 0), median(1, 0), 1.3),
        say("manage install, warm cache, against the same steps by hand", median(0, 1), median(1, 1), 1.2),
    )
