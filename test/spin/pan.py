#!/usr/bin/python3
"""Runs spin on a model, in a directory of its own.

    test/spin/pan.py test/spin/handover.pml -DTRIES=1 -DDIRECT=1 -DCLIENTS=0 -DTROUBLES=0 -DWITHOUT_CATCH_UP

tells the shortest way to what goes wrong then, statement by statement.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

TIMEOUT_S = 300
DEPTH_MAX = 10_000

FAST = ("-O2", "-DSAFETY", "-DCOLLAPSE")   # for many states
SHORT = ("-O0", "-DSAFETY", "-DCOLLAPSE")  # for few: compiles in a moment
CYCLES = ("-O2", "-DNP", "-DCOLLAPSE")
SHORTEST = ("-O0", "-DSAFETY", "-DBFS")


@dataclass
class Verdict:
    wrong: list       # what spin complains about, in its words; empty: nothing in all states
    unreached: list   # statements, in spin's words, where all states were seen
    states: int
    output: str


def check(model, switches, directory, compiler=SHORT, options=()):
    """Explores all states of a model (its text), or ends at the first that is wrong."""
    directory = pathlib.Path(directory)
    (directory / "model.pml").write_text(model)
    _run(["spin", "-a", *switches, "model.pml"], directory)
    _run(["gcc", "-w", *compiler, "-o", "pan", "pan.c"], directory)
    hash_bits = 18 if compiler is SHORT else 24
    output = _run(["./pan", f"-m{DEPTH_MAX}", f"-w{hash_bits}", *options], directory)
    wrong = [" ".join(found.split()) for found in re.findall(r"^pan:\d+: (.*?) \(at depth", output, re.MULTILINE)]
    errors, states = re.search(r"errors: (\d+)", output), re.search(r"(\d\S*) states, stored", output)
    if not errors or not states or bool(int(errors[1])) != bool(wrong):
        raise RuntimeError(f"spin has not come to a verdict:\n{output}")
    if not wrong and re.search(r"Search not completed|max search depth too small", output):
        raise RuntimeError(f"spin has not seen all states:\n{output}")
    unreached = [line.strip() for line in re.findall(r"^\t\S+:\d+, state.*$", output, re.MULTILINE) if '"-end-"' not in line]
    return Verdict(wrong, unreached, int(float(states[1])), output)


def trail(directory, switches):
    """What check() found wrong, step by step: who did which line of the model."""
    told = _run(["spin", "-t", "-p", *switches, "model.pml"], directory)
    lines = (pathlib.Path(directory) / "model.pml").read_text().split("\n")
    steps = re.findall(r"proc +\d+ \((\w+|:init:):\d+\) \S+?:(\d+) \(state \d+\)\t\[", told)
    shown = [f"{who:8} {number:>4}  {lines[int(number) - 1].strip()}" for who, number in steps]
    return "\n".join(line for line, before in zip(shown, [None, *shown]) if line != before)


def _run(command, directory):
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)
    if done.returncode != 0 and command[0] != "./pan":
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def main():
    model, *switches = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        verdict = check(pathlib.Path(model).read_text(), switches, directory, SHORTEST)
        if verdict.wrong:
            print(trail(directory, switches))
        print(f"{verdict.states} states: {'; '.join(verdict.wrong) or 'nothing is wrong'}")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
