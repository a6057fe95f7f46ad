"""Which functions of a program a short command runs, so that the linker can lay them side by side: of a
program of forty megabytes a message then maps four instead of fourteen.

usage: order.py keep <NAMES >order.txt    the list, of the names that `bench/order.sh` prints
       order.py find PROGRAM <order.txt   the names in PROGRAM that are listed

A name is kept as its CRC-32, without what the compiler's version and options make of a crate's name.
"""

import re
import subprocess
import sys
import zlib

CRATE = re.compile(r"Cs[0-9A-Za-z]+_(?=[0-9])")
# Which crate a function of several crates was made in depends on what else there is.
MADE_IN = re.compile(r"(?<=.)C[0-9]+[a-z0-9_]+$")


def mark(name: str) -> str:
    name = MADE_IN.sub("", CRATE.sub("C", name))
    return f"{zlib.crc32(name.encode()):08x}"


def main(arguments: list[str]) -> None:
    lines = sys.stdin.read().split()
    if arguments == ["keep"]:
        print(*sorted({mark(name) for name in lines}), sep="\n")
    elif len(arguments) == 2 and arguments[0] == "find":
        listed = set(lines)
        symbols = subprocess.run(
            ["nm", "--defined-only", "--format=posix", arguments[1]], check=True, capture_output=True, text=True
        ).stdout
        names = [line.split(" ", 1)[0] for line in symbols.splitlines()]
        found = [name for name in names if mark(name) in listed]
        print(*found, sep="\n")
        there = len({mark(name) for name in found})
        print(f"{there} of {len(listed)} listed functions are in the program", file=sys.stderr)
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
