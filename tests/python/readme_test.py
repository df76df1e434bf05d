"""Every command of README.md runs, and what README.md shows is what it prints.

In a ```sh block each line is a command. One that starts with `./dev switchyard` runs through the build under test; a ```text block
right after it must equal its output (stdout, then stderr). Others are run by CI itself and must stand in .ci/run. `--update` rewrites
the text blocks. What README shows is what a processor without units for bfloat16 prints. Its C++ is compiled by cmake/readme.cmake.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys

source = pathlib.Path(os.environ["SWITCHYARD_SOURCE_DIR"])
switchyard = pathlib.Path(os.environ["SWITCHYARD_BUILD_DIR"]) / "bin" / "switchyard"


def output_of(command):
    words = shlex.split(command, comments=True)[2:]
    if words[0] == "plan":
        words += ["--machine", "plain"]
    done = subprocess.run([str(switchyard), *words], cwd=source, capture_output=True, text=True, check=False)
    return "".join(line.rstrip() + "\n" for line in (done.stdout + done.stderr).splitlines())


def main():
    readme = source / "README.md"
    text = readme.read_text()
    in_ci = (source / ".ci" / "run").read_text()
    failures = []
    commands = 0
    pattern = re.compile(r"```sh\n(.*?)```(?:\s*```text\n(.*?)```)?", re.S)
    updated = text
    for match in pattern.finditer(text):
        lines = [line for line in match.group(1).splitlines() if line.strip()]
        shown = match.group(2)
        outputs = []
        for line in lines:
            commands += 1
            command = line.split("  #")[0].strip()
            if command.startswith("./dev switchyard"):
                outputs.append(output_of(command))
            elif command == "./dev demo":
                # A training run of minutes: what it starts is run, tiny, by tests/sh/train_gpt_resume_test.sh.
                if not (source / "tests" / "sh" / "train_gpt_resume_test.sh").exists():
                    failures.append("nothing runs the program that ./dev demo starts")
            elif command not in in_ci:
                failures.append(f"README command is run by nothing: {command}")
        if shown is None:
            continue
        expected = "\n".join(outputs)
        if shown != expected:
            failures.append(f"output of {lines} differs:\n--- README\n{shown}\n--- now\n{expected}")
            updated = updated.replace(f"```text\n{shown}```", f"```text\n{expected}```", 1)
    if "--update" in sys.argv:
        readme.write_text(updated)
        return 0
    print("\n".join(failures) or f"{commands} commands of README.md run as shown")
    return 1 if failures or commands < 4 else 0


if __name__ == "__main__":
    sys.exit(main())
