#!/usr/bin/env python3
"""clang-tidy over the compile database, with the warnings of clang for core and rules: only files whose content has changed.

A result depends on the file, on the headers of ours that it reaches, on the checks and on the command; their hash names
an empty file in the cache when the file was clean. clang-tidy needs 15-20 s for a file that includes LibTorch, so this is
what makes lint usable before every commit.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What ships. Not the tests and examples: 20 s each (LibTorch's syntax tree is walked again for every file) for little.
FOLDERS = ("core", "rules", "kernels", "optimizers", "cli")
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def reached(source):
    """The file and every header of ours that it includes, directly or not."""
    todo, seen = [source], {}
    while todo:
        path = todo.pop()
        if path in seen or not path.is_file():
            continue
        seen[path] = path.read_bytes()
        for name in INCLUDE.findall(seen[path]):
            todo += [ROOT / name.decode(), path.parent / name.decode()]
    return seen


def key(source, command):
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    digest.update("\0".join(command).encode())
    for path, text in sorted(reached(source).items()):
        digest.update(f"{path.relative_to(ROOT)}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()


def jobs(args):
    """Pairs of a source and the command that checks it."""
    version = subprocess.run([args.clang_tidy, "--version"], capture_output=True, text=True, check=True).stdout
    for entry in json.loads((args.build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["file"])
        if not any(source.is_relative_to(ROOT / folder) for folder in FOLDERS):
            continue
        # Compiled by g++: clang has no omp.h of its own here, and does not know some of gcc's warnings.
        tidy = [args.clang_tidy, "--quiet", f"-p={args.build}", "--extra-arg=-fno-openmp",
                "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-unknown-pragmas", str(source)]
        if source.parent in (ROOT / "core", ROOT / "rules"):
            # A second compiler's warnings, of the compiler that the fuzzers are built with.
            tidy.insert(1, "--checks=clang-diagnostic-*")
        yield source, tidy, version + entry["command"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--clang-tidy", required=True)
    parser.add_argument("only", nargs="*", help="check only the files whose path contains one of these")
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.cache.mkdir(parents=True, exist_ok=True)

    def check(job):
        source, command, context = job
        stamp = args.cache / key(source, command + [context])
        if stamp.exists():
            return source, "cached", ""
        done = subprocess.run(command, capture_output=True, text=True, cwd=args.build)
        if done.returncode == 0:
            stamp.touch()
            return source, "clean", ""
        return source, "wrong", f"$ {shlex.join(command)}\n{done.stdout}{done.stderr}"

    wanted = []
    for job in jobs(args):
        name = str(job[0].relative_to(ROOT))
        if (not args.only or any(part in name for part in args.only)) and job not in wanted:
            wanted.append(job)   # a file compiled into two programs in the same way is checked once
    count = {"cached": 0, "clean": 0, "wrong": 0}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, result, output in pool.map(check, wanted):
            count[result] += 1
            if output:
                print(output, flush=True)
    print(f"lint: {count['clean']} checked and clean, {count['cached']} unchanged, {count['wrong']} wrong")
    return 1 if count["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
