"""What every figure is made with: a throw-away server, and two things timed in turns in one run."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("PROGRAM", str(ROOT / "target/release/resource-matrix-synapse"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*words, env=None, check=True, **more):
    return subprocess.run(words, env=env, check=check, capture_output=True, text=True, **more)


@contextlib.contextmanager
def instance(start=True, more=None):
    """A server of its own: its environment variables, `more` among them, and its data folder."""
    data = pathlib.Path(tempfile.mkdtemp(prefix="rms-bench-"))
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("MATRIX_", "SYNAPSE_", "VROOLI_"))},
        "MATRIX_SYNAPSE_DATA_DIR": str(data),
        "MATRIX_SYNAPSE_SERVER_NAME": "bench.example",
        "MATRIX_SYNAPSE_PORT": str(free_port()),
        "MATRIX_SYNAPSE_METRICS_PORT": str(free_port()),
        "MATRIX_SYNAPSE_EMBEDDED_DB_PORT": str(free_port()),
        "MATRIX_SYNAPSE_PROXY_HTTP_PORT": str(free_port()),
        "MATRIX_SYNAPSE_HOOKS_PORT": str(free_port()),
        **(more or {}),
    }
    try:
        run(PROGRAM, "manage", "install", *(["--start"] if start else []), env=env)
        yield env, data
    finally:
        run(PROGRAM, "manage", "stop", "--force", env=env, check=False)
        shutil.rmtree(data, ignore_errors=True)


def until(condition):
    while not condition():
        time.sleep(0.02)


def seconds(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def warm_start(env):
    """How long an installed server takes to start; it is stopped again."""
    took = seconds(lambda: run(PROGRAM, "manage", "start", env=env))
    run(PROGRAM, "manage", "stop", env=env)
    return took


def by_itself(env, data):
    """How a process is started by hand: silently, with the variables of ours but one that keeps Python from its bytecode."""
    clean = {k: v for k, v in env.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"LC_ALL": "C"}
    return {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": clean, "cwd": data}


def in_turns(ours, peer, times):
    """The medians of both, measured alternately so that the machine's moods hit both."""
    a, b = [], []
    for _ in range(times):
        a.append(ours())
        b.append(peer())
    return statistics.median(a), statistics.median(b)


def say(what, ours, peer, limit, unit="s"):
    """One line a figure; the exit code of the script says whether all held."""
    ratio = ours / peer
    held = ratio <= limit if limit is not None else True
    print(f"{what}: {ours:.4g} {unit} against {peer:.4g} {unit}, ratio {ratio:.2f}"
          + ("" if limit is None else f" (at most {limit})") + ("" if held else "  NOT HELD"))
    return held


def finish(*held):
    sys.exit(0 if all(held) else 1)


def session(data):
    """The operator's session of a data folder."""
    return json.loads((data / "secrets/operator.json").read_text())
