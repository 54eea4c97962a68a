#!/usr/bin/env python3
"""What became of every attack: reads the output of `cargo test --workspace` and prints a table.

A test shows a row when its name begins with the row's id: `j41_array_payload_is_refused`, `w08_w09_…` for two of them.
Ends with 1 if a row of the attack tables has no test that passed, or one that failed."""

import argparse
import collections
import re
import sys

# Table: what it is about, and how many rows it has.
TABLES = {
    "T": ("transport and resources", 29),
    "J": ("HS256 tokens", 75),
    "H": ("identity hashes", 20),
    "W": ("webhooks", 41),
    "D": ("secrets and rotation", 30),
    "A": ("callers, leaks, deployment", 30),
}
# Cases of failing machines; not all of them can happen to one process with its own store.
FAULTS = {"F": ("faults", 40)}

# A test's line may stand behind what a test printed, and its outcome on a line of its own.
LINE = re.compile(r"^test (?P<name>[\w:]+)(?: - should panic)? \.\.\. ?(?P<outcome>ok$|FAILED$|ignored)?", re.M)
OUTCOME = re.compile(r"^(ok|FAILED)$", re.M)
IDS = re.compile(r"^(?:[jhwdtaf]\d\d_(?:and_)?)+")


def outcomes(text):
    """Name and outcome of each test."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    lines = list(LINE.finditer(text))
    for line, following in zip(lines, lines[1:] + [None]):
        outcome = line["outcome"]
        if outcome is None:
            rest = text[line.end() : following.start() if following else len(text)]
            found = OUTCOME.search(rest)
            outcome = found[1] if found else "FAILED"
        yield line["name"].rsplit("::", 1)[-1], outcome


def rows(text):
    """Row: the tests that show it, as outcome and claim."""
    shown = {}
    for name, outcome in sorted(set(outcomes(text))):
        ids = IDS.match(name)
        if ids and outcome != "ignored":
            claim = name[ids.end() :].replace("_", " ")
            for row in re.findall(r"[a-z]\d\d", ids[0]):
                shown.setdefault(row.upper(), []).append((outcome, claim))
    return shown


def outcome_of(tests):
    if not tests:
        return "missing"
    return "FAILED" if any(outcome != "ok" for outcome, _ in tests) else "ok"


def table(letter, title, count, shown, quiet):
    """Prints the rows, or those alone that are not as they should be; answers how many are how."""
    if not quiet:
        print(f"\n{letter}: {title}")
    tally = collections.Counter()
    for number in range(1, count + 1):
        row = f"{letter}{number:02}"
        tests = shown.pop(row, [])
        outcome = outcome_of(tests)
        tally[outcome] += 1
        if quiet and (outcome == "ok" or letter in FAULTS):
            continue
        claims = [claim if each == "ok" else f"{claim} (FAILED)" for each, claim in tests]
        print(f"  {row}  {outcome:<8}{'; '.join(claims)}".rstrip())
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", help="file with the standard output of cargo test")
    parser.add_argument("--quiet", action="store_true", help="print the rows alone that are not shown")
    asked = parser.parse_args()
    with open(asked.output, encoding="utf-8", errors="replace") as file:
        shown = rows(file.read())
    tallies = {letter: table(letter, *about, shown, asked.quiet) for letter, about in (TABLES | FAULTS).items()}
    for row in shown:
        print(f"no such row: {row}")
    if not asked.quiet:
        print()
        for letter, tally in tallies.items():
            print(f"{letter}: {tally['ok']} ok, {tally['FAILED']} failed, {tally['missing']} missing")
    total = sum(count for _, count in TABLES.values())
    good = sum(tallies[letter]["ok"] for letter in TABLES)
    print(f"{good} of {total} rows hold")
    return 0 if good == total and not shown else 1


if __name__ == "__main__":
    sys.exit(main())
