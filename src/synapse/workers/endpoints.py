"""Lists, as JSON, what a worker of the installed Synapse answers.

This is what `python -m synapse._scripts.generate_workers_map` does, with three differences: it needs no
server that is set up (nothing is read from its settings but experimental features, and an empty
database in memory stands for its own), the patterns are those that Synapse itself compares paths with, and all
methods are told.
"""

import json
import logging
import os
import sys
import tempfile


def main():
    features = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)
    from synapse._scripts import generate_workers_map as workers_map
    from synapse.config.homeserver import HomeServerConfig

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        config = HomeServerConfig()
        config.parse_config_dict(
            {
                "server_name": "endpoints.invalid",
                "report_stats": False,
                "database": {"name": "sqlite3", "args": {"database": ":memory:"}},
                # Of nobody: 32 zero bytes.
                "signing_key": "ed25519 a_none " + "A" * 43,
                "macaroon_secret_key": "none",
                "trusted_key_servers": [],
                "media_store_path": folder,
                "experimental_features": features,
            },
            "",
            "",
        )
        paths = workers_map.get_registered_paths_for_default
        main_paths, worker_paths = paths(None, config), paths("synapse.app.generic_worker", config)
        os.chdir("/")

    every, ours = {}, {}
    for method, pattern in [*main_paths, *worker_paths]:
        every.setdefault(pattern, set()).add(method)
    for method, pattern in worker_paths:
        ours.setdefault(pattern, set()).add(method)
    answer = [
        {
            "pattern": pattern,
            "methods": sorted(methods),
            "all": methods == every[pattern],
        }
        for pattern, methods in ours.items()
    ]
    json.dump({"endpoints": answer}, sys.stdout)


main()
