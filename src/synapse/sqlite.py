"""Looks into Synapse's SQLite database: whose it is, its schema, what is unfinished in it; with `count` how many
rows its tables have. A file that is not ours is opened so that nothing is written beside it."""

import json
import sqlite3
import sys
import urllib.parse

# What the port tool makes anew, and what is kept in another shape by PostgreSQL.
OTHERWISE = {
    "applied_module_schemas",
    "applied_schema_deltas",
    "background_updates",
    "event_search",
    "port_from_sqlite3",
    "schema_compat_version",
    "schema_version",
    "sent_transactions",
    "user_directory_stream_pos",
}


def main():
    path, ours, operator, counts = sys.argv[1], sys.argv[2] == "ours", sys.argv[3], "count" in sys.argv[4:]
    how = "" if ours else "?immutable=1"
    database = sqlite3.connect(f"file:{urllib.parse.quote(path)}{how}", uri=True)

    def all_of(query, *values):
        return database.execute(query, values).fetchall()

    tables = {name for (name,) in all_of("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"users", "events", "schema_version"} <= tables:
        return {"is_synapse": False}
    user = all_of("SELECT name FROM users LIMIT 1")
    answer = {
        "is_synapse": True,
        "server_name": user[0][0].partition(":")[2] if user else None,
        "version": all_of("SELECT version FROM schema_version")[0][0],
        "updates": all_of("SELECT count(*) FROM background_updates")[0][0],
        "operator": bool(all_of("SELECT 1 FROM users WHERE name LIKE ?", f"@{operator}:%")),
        "vacuums": all_of("PRAGMA auto_vacuum")[0][0] != 0,
        "keys": [],
        "newest": None,
        "tables": {},
    }
    if answer["server_name"]:
        newest = all_of(
            "SELECT json FROM event_json JOIN events USING (event_id) WHERE sender LIKE ? ORDER BY stream_ordering DESC LIMIT 1",
            f"%:{answer['server_name']}",
        )
        signed = json.loads(newest[0][0]).get("signatures", {}) if newest else {}
        answer["keys"] = sorted(signed.get(answer["server_name"], {}))
    try:
        from synapse.storage.schema import SCHEMA_VERSION

        answer["newest"] = SCHEMA_VERSION
    except ImportError:
        pass
    if counts:
        from synapse._scripts.synapse_port_db import IGNORED_TABLES

        # Full text search is in tables of its own.
        left = {name for name in tables if name.startswith(("sqlite_", "event_search_"))}
        for name in sorted(tables - OTHERWISE - set(IGNORED_TABLES) - left):
            answer["tables"][name] = all_of(f'SELECT count(*) FROM "{name}"')[0][0]
    return answer


json.dump(main(), sys.stdout)
