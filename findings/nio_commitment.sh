#!/usr/bin/env bash
# The guess: a bot with matrix-nio can compare emoji with a person whose client follows the specification, for the same
# steps worked with the releases that used libolm.
# The truth: since its change to vodozemac it answers a start with the commitment in hexadecimal digits, where the
# specification has unpadded base64. Of two programs with matrix-nio both do so and agree; every other client ends the
# comparison with `m.mismatched_commitment` as soon as it has the key.
# Version: matrix-nio 0.26.0 with vodozemac 0.10.0.
# Source: https://spec.matrix.org/latest/client-server-api/#mkeyverificationaccept and a run. Fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"

python3 -m venv env
# The packages that both need, as far as this part of it uses them; one of its own dependencies is a source package.
env/bin/pip install --quiet --disable-pip-version-check --no-deps matrix-nio==0.26.0
env/bin/pip install --quiet --disable-pip-version-check --only-binary :all: vodozemac==0.10.0 peewee cachetools \
    aiohttp aiohttp-socks aiofiles h11 h2 jsonschema pycryptodome unpaddedbase64
cat >compare.py <<'PYTHON'
import base64
import contextlib
import hashlib
import importlib.metadata
import json
import sys
import types


@contextlib.contextmanager
def atomic_write(path, **_how):
    with open(path, "w", encoding="utf-8") as file:
        yield file


sys.modules["atomicwrites"] = types.ModuleType("atomicwrites")
sys.modules["atomicwrites"].atomic_write = atomic_write

from nio.crypto import OlmDevice, Sas  # noqa: E402
from nio.events import KeyVerificationStart  # noqa: E402

print(*(f"{it} {importlib.metadata.version(it)}" for it in ("matrix-nio", "vodozemac")), sep=", ")


def device(user, id):
    return OlmDevice(user, id, {"ed25519": f"{id} signs", "curve25519": f"{id} agrees"})


alice, bob = device("@alice:example.org", "ALICE"), device("@bob:example.org", "BOB")
start = Sas(alice.user_id, alice.id, alice.ed25519, bob).start_verification().content
event = KeyVerificationStart.from_dict(
    {"type": "m.key.verification.start", "sender": alice.user_id, "content": start})
theirs = Sas.from_key_verification_start(bob.user_id, bob.id, bob.ed25519, alice, event)
said = theirs.accept_verification().content["commitment"]
text = json.dumps(start, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
hashed = hashlib.sha256((theirs.pubkey + text).encode())
right = base64.b64encode(hashed.digest()).decode().rstrip("=")
print(f"said: {said}\nby the specification: {right}")
assert said == hashed.hexdigest() and said != right
PYTHON
env/bin/python compare.py
