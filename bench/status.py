"""`status --fast` against curl asking the health address."""

import subprocess

from common import PROGRAM, finish, in_turns, instance, say, seconds

with instance() as (env, _):
    url = f"http://127.0.0.1:{env['MATRIX_SYNAPSE_PORT']}/health"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True, "env": env}

    def ours():
        return seconds(lambda: subprocess.run([PROGRAM, "status", "--fast"], **quiet))

    def curl():
        return seconds(lambda: subprocess.run(["curl", "-sf", url], **quiet))

    finish(say("status --fast", *in_turns(ours, curl, 200), 0.7))
