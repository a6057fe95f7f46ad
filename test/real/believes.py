"""A module of Synapse for tests: every process that loads it writes down what it believes of itself."""

import ctypes
import gc
import json
import logging
import os
import random
import resource
import signal
import ssl
import sys
import threading
import time

from twisted.internet import reactor

from synapse.app import _base
from synapse.config.cache import properties


class Believes:
    def __init__(self, config, api):
        umask = os.umask(0o077)
        os.umask(umask)
        death = ctypes.c_int()
        ctypes.CDLL(None).prctl(2, ctypes.byref(death))
        kinds = (os.readlink(f"/proc/self/fd/{number}") for number in range(8))
        with open("/proc/self/cmdline") as line:
            words = line.read().strip("\0").replace("\0", " ")
        known = {
            "arguments": sys.argv[1:],
            "line": words,
            "path": sys.path,
            "program": [sys.executable, sys.prefix, list(sys.flags)],
            "environment": {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"},
            "notify": _base.sdnotify_sockaddr == os.environ["NOTIFY_SOCKET"],
            "cache_factor": properties.default_factor_size,
            "folder": os.getcwd(),
            "umask": umask,
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
            "descriptors": [kind.partition(":[")[0] for kind in kinds],
            "signals": [getattr(it, "__qualname__", str(it)) for it in map(signal.getsignal, signal.valid_signals())],
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
            "death": death.value,
            "leads": os.getpgrp() == os.getpid(),
            "collector": [gc.isenabled(), gc.get_threshold()],
            "reactor": [type(reactor).__name__, len(reactor.getReaders())],
            "threads": sorted({it.name.strip("-0123456789") for it in threading.enumerate()}),
            "logs": [[type(it).__name__, it.level] for it in logging.getLogger().handlers],
            "streams": [[it.encoding, it.errors] for it in (sys.__stdout__, sys.__stderr__)],
            "zone": time.tzname,
        }
        chance = [random.random(), ssl.RAND_bytes(8).hex(), os.urandom(8).hex(), os.getpid()]
        with open(config["file"], "a") as file:
            name = api._hs.get_instance_name()
            file.write(json.dumps({"name": name, "known": known, "chance": chance}) + "\n")

    @staticmethod
    def parse_config(config):
        return config
