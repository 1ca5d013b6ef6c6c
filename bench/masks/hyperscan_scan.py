"""Measures how fast Hyperscan looks through the texts for the rules, and prints one object.

It only looks: where a match begins is not asked for, nothing is replaced, and no function of Python is called for a match while it is timed. It is
given the lines one by one, as a logger has them, and all at once, where calling it from Python costs nothing.
"""

import json
import pathlib
import sys
import time

import hyperscan

# What others call bytes in a second is taken over at least so many.
BYTES = 50_000_000


def rate(database, pieces):
    size = sum(map(len, pieces))
    times = max(1, BYTES // size)
    database.scan(pieces[0])
    before = time.thread_time_ns()
    for _ in range(times):
        for piece in pieces:
            database.scan(piece)
    return size * times / (time.thread_time_ns() - before) * 1e3


def found(database, whole):
    count = 0

    def match(*_):
        nonlocal count
        count += 1

    database.scan(whole, match_event_handler=match)
    return count


def main(rules, folder):
    expressions = [rule.encode() for rule in json.loads(pathlib.Path(rules).read_text()).values()]
    database = hyperscan.Database()
    database.compile(expressions=expressions, ids=list(range(len(expressions))), elements=len(expressions), flags=0)
    seen = {}
    for name in ("clean", "secrets"):
        whole = (pathlib.Path(folder) / f"{name}.txt").read_bytes()
        seen[f"{name}_lines_mb_per_s"] = rate(database, whole.splitlines())
        seen[f"{name}_whole_mb_per_s"] = rate(database, [whole])
        seen[f"{name}_found"] = found(database, whole)
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
