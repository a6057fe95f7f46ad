"""Checks a homeserver.yaml (on stdin) as Synapse does, and says which keys it never asked for. Documents
that follow it in the stream are the workers' own: each is checked as Synapse reads it, after the first.

Synapse gets mappings that record what is asked of them. A mapping that is walked through as a whole
counts as known in full: nobody can tell what happened to its keys; and one within another of which no
key was asked for is passed on as it is, so its keys are free. Neither is a key unknown that the sources
name: it may belong to a feature that is off, or be asked for only when the server runs.
"""

import copy
import difflib
import functools
import json
import pathlib
import re
import sys
import types

import yaml


recorders = []


class Recorder(dict):
    def __init__(self, content, path=""):
        self.path, self.asked, self.whole = path, set(), False
        # Whether a value was taken, and whether Synapse keeps the mapping itself.
        self.read, self.kept = False, False
        recorders.append(self)
        super().__init__(
            (key, wrap(value, f"{path}{key}")) for key, value in content.items()
        )

    def get(self, key, default=None):
        self.asked.add(key)
        self.read = True
        return super().get(key, default)

    def __getitem__(self, key):
        self.asked.add(key)
        self.read = True
        return super().__getitem__(key)

    def __contains__(self, key):
        self.asked.add(key)
        return super().__contains__(key)

    def setdefault(self, key, default=None):
        self.asked.add(key)
        self.read = True
        return super().setdefault(key, default)

    def pop(self, key, *default):
        self.asked.add(key)
        self.read = True
        value = super().get(key)
        super().pop(key, None) if default else super().pop(key)
        return value if value is not None or not default else default[0]

    def __iter__(self):
        self.whole = True
        return super().__iter__()

    def keys(self):
        self.whole = True
        return super().keys()

    def items(self):
        self.whole = True
        return super().items()

    def values(self):
        self.whole = True
        return super().values()

    def copy(self):
        self.whole = True
        return super().copy()


# Synapse shows it in what it says of a value.
Recorder.__name__ = "dict"


def wrap(value, path):
    if isinstance(value, dict):
        return Recorder(value, path + ".")
    if isinstance(value, list):
        return [wrap(item, path + "[]") for item in value]
    return value


def sources():
    import synapse.config

    folder = pathlib.Path(synapse.config.__file__).parent
    return [file.read_text(encoding="utf-8") for file in folder.glob("*.py")]


@functools.cache
def all_sources():
    import synapse

    folder = pathlib.Path(synapse.__file__).parent
    return [file.read_text(encoding="utf-8") for file in folder.rglob("*.py")]


# Whoever has more unknown keys than these has the wrong file.
MOST = 20
# What was on trial and is no more, or not yet, does no harm.
HARMLESS = "experimental_features."


def is_free(recorded):
    """Whether nobody asks for the keys of this mapping one by one: it is handed on."""
    if not recorded.path or recorded.read or recorded.whole:
        return False
    return recorded.kept or not recorded.asked


def mark_kept(value, depth=4):
    """Which mappings Synapse's settings hold as they were written."""
    if isinstance(value, Recorder):
        value.kept = True
    elif depth and isinstance(value, (list, tuple)):
        for item in value:
            mark_kept(item, depth - 1)
    elif depth and isinstance(value, dict):
        for item in value.values():
            mark_kept(item, depth - 1)
    elif depth and type(value).__module__.startswith("synapse.config"):
        slots = getattr(type(value), "__slots__", ())
        names = [*getattr(value, "__dict__", ()), *slots]
        for name in names:
            mark_kept(getattr(value, name, None), depth - 1)


def of_a_module(key, content):
    """What a module of somebody else reads, and when, is not known here."""
    return key == "config" and "module" in content


def unknown_in(original, recorded, texts, found):
    if isinstance(original, list):
        for item, record in zip(original, recorded):
            unknown_in(item, record, texts, found)
        return
    if not isinstance(original, dict) or not isinstance(recorded, Recorder):
        return
    if is_free(recorded):
        return
    parent = recorded.path.rstrip(".[]").rsplit(".", 1)[-1]
    for key, value in original.items():
        if len(found) >= MOST:
            return
        asked = recorded.whole or key in recorded.asked
        if not asked and not is_in_sources(str(key), parent, texts):
            near = sorted(str(it) for it in recorded.asked) + words_beside(parent, texts)
            close = difflib.get_close_matches(str(key), near, 1, 0.7)
            elsewhere = [it.path + str(key) for it in recorders if key in it.asked]
            suggestion = f"{recorded.path}{close[0]}" if close else None
            unknown = {
                "key": f"{recorded.path}{key}",
                "suggestion": elsewhere[0] if elsewhere else suggestion,
            }
            # Each item of a list may have it.
            if unknown not in found:
                found.append(unknown)
        elif asked and not of_a_module(key, original):
            unknown_in(value, dict.get(recorded, key), texts, found)


def is_in_sources(key, parent, texts):
    if not parent:
        asked = re.compile(r"""config(\.get\(|\[)\s*["']%s["']""" % re.escape(key))
        return any(asked.search(text) for text in texts)
    word = re.compile(r"\b%s\b" % re.escape(key))
    quoted = re.compile(r"""["']%s["']""" % re.escape(parent))
    if any(quoted.search(text) and word.search(text) for text in texts):
        return True
    if any(not it.path and key in it.asked for it in recorders):
        return False  # It stands one level too deep.
    quoted = re.compile(r"""["']%s["']""" % re.escape(key))
    return any(quoted.search(text) for text in all_sources())


def words_beside(parent, texts):
    if parent:
        return []
    return sorted({key for text in texts for key in re.findall(r"""config\.get\(\s*["'](\w+)["']""", text)})


def parse(content, folders, kept=True):
    """The mapping as Synapse has read it, and what Synapse says against it; `kept` looks for what it keeps."""
    from synapse.config._base import ConfigError
    from synapse.config.homeserver import HomeServerConfig

    recorded = Recorder(content)
    try:
        config = HomeServerConfig()
        config.parse_config_dict(
            recorded, config_dir_path=folders[0], data_dir_path=folders[1]
        )
        config.validate_config()
        for section in config.config_classes if kept else ():
            mark_kept(getattr(config, section.section, None))
    except ConfigError as error:
        where = ".".join(error.path or []) if getattr(error, "path", None) else ""
        said = str(error.msg if hasattr(error, "msg") else error).strip()
        said = "\n".join(line for line in said.splitlines() if "errors.pydantic.dev" not in line)
        return recorded, f"`{where}`: {said}" if where else said, None
    except Exception as error:
        return recorded, f"{type(error).__name__}: {error}", error
    return recorded, None, None


KINDS = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a mapping"}


# libyaml reads the same ten times as fast.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def documents(text):
    return yaml.load_all(text, Loader)


def first(text):
    return next(documents(text))


def places(content):
    """Where something can be taken out of a mapping or a list."""
    if isinstance(content, dict):
        return list(content)
    return list(range(len(content))) if isinstance(content, list) else []


def at(content, path):
    for step in path:
        content = content[step]
    return content


# Each try is a run of Synapse's own parsing.
TRIES = 60


def stumbles(text, keys, folders):
    """The path to the innermost value without which Synapse no longer stumbles; its first step is one
    of these keys."""
    whole, path, tries = first(text), [], TRIES
    choices = [key for key in keys if key in whole]
    while choices and tries:
        step, tries = choices.pop(0), tries - 1
        content = copy.deepcopy(whole)
        del at(content, path)[step]
        error, crashed = parse(content, folders)[1:3]
        # Within a value Synapse must be content: it may only miss what was taken out.
        if not (error if path else crashed):
            path.append(step)
            choices = places(at(whole, path))
    return path


def dotted(path):
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def cause(error, path, value):
    """What Synapse stumbled over, as a clause."""
    from synapse.util.check_dependencies import DependencyException

    if isinstance(error, DependencyException):
        names = ', '.join(sorted(name.strip('"') for name in error.dependencies))
        return f"it needs {names}, which this environment does not have"
    if isinstance(error, ImportError):
        return f"{error}; what a module comes with is named by `synapse.modules`, and `manage install` brings it"
    where = f"`{dotted(path)}` cannot be" if len(path) > 1 else "it cannot be"
    kind = KINDS.get(type(value), "nothing")
    said = f"{where} {kind}, or something in it cannot be what it is"
    return f"{said} ({type(error).__name__}: {error})"


def provide(name, source):
    """Has a module of ours imported as it is going to be: what is in its place now may be another one."""
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)


def main():
    folders, keys = sys.argv[1:3], sys.argv[5:]
    provide(*sys.argv[3:5])
    text = sys.stdin.read()
    recorded, error, crashed = parse(first(text), folders)
    answer = {"error": error, "key": None, "unknown": [], "harmless": []}
    if crashed:
        path = stumbles(text, keys, folders)
        if path:
            answer["key"] = path[0]
            answer["error"] = cause(crashed, path, at(first(text), path))
    elif not error:
        found = []
        unknown_in(first(text), recorded, sources(), found)
        for it in found:
            kind = "harmless" if it["key"].startswith(HARMLESS) else "unknown"
            answer[kind].append(it)
        for worker in list(documents(text))[1:]:
            said = parse({**first(text), **worker}, folders, kept=False)[1]
            if said and not answer["error"]:
                answer["error"] = f"the worker {worker['worker_name']}: {said}"
    json.dump(answer, sys.stdout)


main()
