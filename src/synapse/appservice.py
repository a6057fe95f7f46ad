"""Reads registrations of bridges as Synapse will when it starts, which it does not with one that it cannot read."""

import json
import re
import sys

import yaml
from synapse.config.appservice import _load_appservice


def why(text, server, name):
    try:
        _load_appservice(server, yaml.safe_load(text), name)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        return f"{getattr(error, 'problem', None) or 'it is not YAML'}{where}"
    except re.error as error:
        return f"Python cannot read one of its expressions: {error.msg}"
    except (KeyError, ValueError) as error:
        # Its texts name keys, and no values of secrets.
        return str(error.args[0]).replace(" in %s", "") if error.args else "a key is missing"
    except Exception as error:
        return type(error).__name__
    return None


asked = json.load(sys.stdin)
found = [why(text, asked["server"], name) for name, text in asked["registrations"]]
json.dump(found, sys.stdout)
