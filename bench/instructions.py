#!/usr/bin/env python3
"""Counts the instructions of a step (bench/step_instructions.cpp) under valgrind and compares with the committed figure.

usage: instructions.py PROGRAM FIGURE [--write]

FIGURE is a JSON file with "instructions_per_step"; more than 10 % above or below it fails, below because the figure then
has to be lowered with --write. The processor that valgrind presents has AVX2 and no more, and ATen is held at it too, so
that the count does not depend on the machine.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

STEPS = 10
SLACK = 0.10


def instructions_of(text: str) -> int:
    """The total of a callgrind file."""
    found = re.search(r"^totals: (\d+)", text, re.MULTILINE)
    if not found or int(found.group(1)) == 0:
        raise SystemExit("instructions: valgrind's output has no total")
    return int(found.group(1))


def verdict(measured: float, committed: float) -> str:
    """'' if the figure holds, else what to say."""
    if measured > committed * (1 + SLACK):
        return f"a step takes {measured:,.0f} instructions, more than {committed:,.0f} and {SLACK:.0%}"
    if measured < committed * (1 - SLACK):
        return f"a step takes {measured:,.0f} instructions, less than {committed:,.0f} by over {SLACK:.0%}: --write it"
    return ""


def measure(program: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "callgrind.out"
        environment = dict(os.environ, ATEN_CPU_CAPABILITY="avx2", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no",
             f"--callgrind-out-file={out}", program],
            env=environment, capture_output=True, text=True)
        if run.returncode != 0:
            raise SystemExit(f"instructions: {program} failed under valgrind:\n{run.stdout}{run.stderr}")
        return instructions_of(out.read_text()) / STEPS


def main(arguments: list) -> int:
    write = "--write" in arguments
    program, figure = [a for a in arguments if a != "--write"]
    measured = measure(program)
    path = pathlib.Path(figure)
    if write:
        path.write_text(json.dumps({"workload": "AdamW, 1,000 tensors of 64 to 4096 elements, 1 thread",
                                    "instructions_per_step": round(measured)}, indent=1) + "\n")
    committed = json.loads(path.read_text())["instructions_per_step"]
    said = verdict(measured, committed)
    print(said or f"a step takes {measured:,.0f} instructions, committed are {committed:,.0f}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
