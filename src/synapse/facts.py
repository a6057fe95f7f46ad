"""Imports Synapse as its processes do, and says what it is: the input is the names of background updates."""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys

PROGRAMS = ["synapse.app.homeserver", "synapse.app.generic_worker"]


def sources(package):
    for folder in importlib.util.find_spec(package).submodule_search_locations:
        for place, _, names in os.walk(folder):
            for name in names:
                if name.endswith(".py"):
                    with open(os.path.join(place, name), encoding="utf-8") as source:
                        yield source.read()


def postgres():
    """The oldest major version of PostgreSQL, as it stands in the check that Synapse makes when it starts."""
    for text in sources("synapse.storage.engines"):
        found = re.search(r"requires PostgreSQL (\d+)", text)
        if found:
            return int(found[1])
    return None


def main():
    updates = json.load(sys.stdin)
    sys.stdout, answers = sys.stderr, sys.stdout
    for program in PROGRAMS:
        importlib.import_module(program)
    imported = [it for it in list(sys.modules.values()) if getattr(it, "__cached__", None)]
    uncompiled = [it.__name__ for it in imported if not os.path.exists(it.__cached__)]
    from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
    from synapse.storage import schema

    missing = set(updates)
    # Some names stand where the storage only finds them.
    for text in sources("synapse"):
        if not missing:
            break
        missing = {name for name in missing if not re.search(rf"""["']{re.escape(name)}["']""", text)}
    answer = {
        "version": importlib.metadata.version("matrix-synapse"),
        "python": "%d.%d" % sys.version_info[:2],
        "needs_python": importlib.metadata.metadata("matrix-synapse")["Requires-Python"],
        "needs_postgres": postgres(),
        "schema": schema.SCHEMA_VERSION,
        "compat": schema.SCHEMA_COMPAT_VERSION,
        "room_versions": sorted(KNOWN_ROOM_VERSIONS.keys()),
        "unknown_updates": sorted(missing),
        "uncompiled": sorted(uncompiled),
    }
    json.dump(answer, answers)


main()
