"""The package step of `manage install` against `uv pip install --compile-bytecode` of the same set,
and the whole against the same steps by hand; both with a warm cache."""

import shutil
import tempfile

from common import PROGRAM, ROOT, finish, in_turns, instance, run, say, seconds

LOCK = ROOT / "src/python/synapse.lock"

with instance(start=False) as (env, data):

    def ours():
        shutil.rmtree(data)
        return seconds(lambda: run(PROGRAM, "manage", "install", env=env))

    def by_hand():
        folder = tempfile.mkdtemp(prefix="rms-bench-venv-")
        python = f"{folder}/bin/python"

        def steps():
            run("uv", "venv", "-q", folder)
            run("uv", "pip", "install", "-q", "--python", python, "--compile-bytecode", "--require-hashes", "-r", str(LOCK))

        def rest():
            run(python, "-m", "synapse._scripts.generate_signing_key", "-o", f"{folder}/signing.key")
            run(python, "-m", "synapse.app.homeserver", "-c", str(data / "synapse/homeserver.yaml"), "--generate-keys")

        packages = seconds(steps)
        whole = packages + seconds(rest)
        shutil.rmtree(folder)
        return packages, whole

    install, hand = [], []
    for _ in range(3):
        install.append(ours())
        hand.append(by_hand())
    install.sort()
    hand.sort()
    finish(say("manage install, warm cache, against the same steps by hand", install[1], hand[1][1], 1.2))
