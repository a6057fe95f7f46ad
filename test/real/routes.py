"""Prints each endpoint of the admin API that the installed Synapse has: its method and its path."""

import importlib
import pkgutil
import re

import synapse.rest.admin as admin

NAMED = re.compile(r"\(\?P<\w+>(?:[^()]|\([^()]*\))*\)")


class Seen:
    """Stands where a server would be told of what it serves."""

    def register_paths(self, method, patterns, *_):
        for pattern in patterns:
            path = NAMED.sub("{}", pattern.pattern).strip("^$")
            # What may be left out makes two of one.
            for one in {path.replace("(/{})?", ""), path.replace("(/{})?", "/{}")}:
                if one.startswith("/_synapse/admin"):
                    print(method, one.removeprefix("/_synapse/admin"))


for name in [it.name for it in pkgutil.iter_modules(admin.__path__, "synapse.rest.admin.")] + [admin.__name__]:
    for servlet in vars(importlib.import_module(name)).values():
        if isinstance(servlet, type) and servlet.__module__ == name and hasattr(servlet, "register"):
            try:
                servlet.__new__(servlet).register(Seen())
            except NotImplementedError:
                pass
