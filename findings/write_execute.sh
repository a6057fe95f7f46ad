#!/usr/bin/env bash
# The guess: a unit that runs Synapse may have `MemoryDenyWriteExecute=yes` like that of any other program which compiles
# nothing as it runs.
# The truth: it does not start. For ALPN, pyOpenSSL gives OpenSSL a callback that cffi writes into memory which is executed, and
# Twisted asks for one with each context of TLS, so that the client for other servers cannot be made: `MemoryError: Cannot
# allocate write+execute memory for ffi.callback()`. It is one line of Twisted that does it, whether TLS is used or not.
# Version: Twisted 26.10.0, pyOpenSSL and cffi as it installs them; Linux 6.3 or later, which knows PR_SET_MDWE.
# Source: https://cffi.readthedocs.io/en/latest/using.html#callbacks and a run. Fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"

python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check 'twisted[tls]==26.10.0'
env/bin/pip list --disable-pip-version-check 2>/dev/null | grep -i -E '^(twisted|pyopenssl|cffi) '
cat >context.py <<'PYTHON'
import ctypes
import sys

# What systemd's setting asks of the kernel (prctl(2)): PR_SET_MDWE with PR_MDWE_REFUSE_EXEC_GAIN.
if sys.argv[1] == "denied" and ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:
    sys.exit("this kernel does not know PR_SET_MDWE")
from twisted.internet.ssl import CertificateOptions

try:
    CertificateOptions().getContext()
    print("a context is made")
except MemoryError as error:
    print(f"MemoryError: {error}")
PYTHON
free=$(env/bin/python context.py free)
denied=$(env/bin/python context.py denied)
printf 'as usual: %s\ndenied: %s\n' "$free" "$denied"
[[ $free == 'a context is made' && $denied == *'write+execute memory for ffi.callback'* ]]
