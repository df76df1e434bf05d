"""Every diagnostic code has an example that provokes it, and docs/diagnostics.md is made from them. `--update` writes it anew.

tests/codes/SWY-nnnn.json: {"why": what it means for the user, "command": arguments of `switchyard`, "files": {name: JSON
value or text}, "archives": {name: {record: text}} (zip files), "bytes": {name: text of which each character is a byte}}.
The command runs in a folder with these files, after the lines of shell in "first", and must report the code, and no other code than those in "also".
What only LibTorch or a plugin of another build can bring about has "test", a file that checks the code, in place of a
command; "none" says why a code can have neither.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import zipfile

SOURCE = pathlib.Path(os.environ["SWITCHYARD_SOURCE_DIR"])
COMMAND = pathlib.Path(os.environ["SWITCHYARD_BUILD_DIR"]) / "bin" / "switchyard"
WITHOUT_EXAMPLE = {"SWY-0070"}  # an error of the program itself


def codes():
    text = (SOURCE / "rules" / "codes.h").read_text()
    pattern = re.compile(r'\{"(SWY-\d{4})",\s*"((?:[^"\\]|\\.)*)"(?:\s*"((?:[^"\\]|\\.)*)")?(?:,\s*Severity::(\w+))?\}')
    return {code: (first + second, severity or "error") for code, first, second, severity in pattern.findall(text)}


def shown(value, indent=0, width=100):
    """JSON as a person writes it: what fits into a line stays on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= width or not isinstance(value, (dict, list)) or not value:
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, list):
        parts = [shown(item, indent + 2, width) for item in value]
        return "[\n" + ",\n".join(inner + part for part in parts) + "\n" + " " * indent + "]"
    parts = [json.dumps(key, ensure_ascii=False) + ": " + shown(item, indent + 2, width) for key, item in value.items()]
    return "{\n" + ",\n".join(inner + part for part in parts) + "\n" + " " * indent + "}"


def text_of(value):
    return value if isinstance(value, str) else shown(value) + "\n"


def run(example):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, value in example.get("files", {}).items():
            (folder / name).write_text(text_of(value))
        for name, value in example.get("bytes", {}).items():
            (folder / name).write_bytes(value.encode("latin-1"))
        for name, records in example.get("archives", {}).items():
            with zipfile.ZipFile(folder / name, "w") as archive:
                for record, value in records.items():
                    archive.writestr(record, value.encode("latin-1"))
        for line in example.get("first", []):
            subprocess.run(["bash", "-c", line], cwd=folder, check=False, capture_output=True,
                           env={**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"})
        words = shlex.split(example["command"])
        text = subprocess.run([COMMAND, *words], cwd=folder, capture_output=True, text=True)
        found = set(re.findall(r"^\w+\[(SWY-\d{4})\]", text.stderr, re.M))
        if text.stderr.startswith("switchyard: "):  # about the command line: the code stands in the document only
            document = subprocess.run([COMMAND, *words, "--format", "json"], cwd=folder, capture_output=True, text=True)
            found |= {item["code"] for item in json.loads(document.stdout).get("diagnostics", [])}
        return text.stderr, sorted(found)


def cut(text, most=24):
    """Long outputs and inputs, for the page."""
    lines = [line if len(line) <= 160 else line[:150] + " ..." for line in text.splitlines()]
    return "\n".join(lines if len(lines) <= most else lines[:most] + ["..."]) + "\n"


def section(code, meaning, severity, example, output):
    page = f"## {code}: {meaning}\n\n{severity.capitalize()}. {example['why']}\n\n"
    if "test" in example:
        return page + f"```cpp\n{example['cpp']}\n```\n\n"
    if "command" not in example:
        return page
    for name, value in example.get("files", {}).items():
        kind = "json" if name.endswith(".json") and not isinstance(value, str) else "text"
        page += f"`{name}`:\n\n```{kind}\n{cut(text_of(value)).rstrip()}\n```\n\n"
    for name, value in example.get("bytes", {}).items():
        page += f"`{name}`, as bytes:\n\n```text\n{cut(repr(value.encode('latin-1'))[2:-1]).rstrip()}\n```\n\n"
    for name, records in example.get("archives", {}).items():
        lines = [f"{record}: {repr(value.encode('latin-1'))[2:-1]}" for record, value in records.items()]
        page += f"`{name}`, a zip archive:\n\n```text\n{cut(chr(10).join(lines)).rstrip()}\n```\n\n"
    commands = "\n".join([*example.get("first", []), f"switchyard {example['command']}"])
    return page + f"```sh\n{commands}\n```\n\n```text\n{cut(output).rstrip()}\n```\n\n"


def main():
    known = codes()
    failures = []
    page = (
        "# Diagnostics\n\n"
        "Generated by tests/python/codes_test.py from rules/codes.h and tests/codes: do not edit.\n\n"
        "Every code that Switchyard reports, with the smallest files that provoke it; `switchyard explain --code SWY-2001` prints "
        "an entry. Codes never change their meaning. `policy` in a spec can change what is a warning or a note, not errors.\n\n"
        "| code | severity | meaning |\n| --- | --- | --- |\n"
    )
    for code, (meaning, severity) in known.items():
        page += f"| [{code}](#{code.lower()}-{re.sub(r'[^a-z0-9 _-]', '', meaning.lower()).replace(' ', '-')}) | {severity} | {meaning} |\n"
    page += "\n"
    files = {file.stem: file for file in sorted((SOURCE / "tests" / "codes").glob("*.json"))}
    for code in sorted(set(files) - set(known)):
        failures.append(f"tests/codes/{code}.json is about a code that rules/codes.h does not list")
    for code, (meaning, severity) in known.items():
        if code not in files:
            failures.append(f"{code} ({meaning}) has no example: add tests/codes/{code}.json")
            continue
        example = json.loads(files[code].read_text())
        output = ""
        if "command" in example:
            output, found = run(example)
            others = set(found) - {code} - set(example.get("also", []))
            if code not in found or others:
                failures.append(f"the example of {code} reports {found or 'nothing'}\n{output}")
            if f"{severity}[{code}]" not in output and not output.startswith("switchyard: "):
                failures.append(f"the example of {code} prints no {severity} of it\n{output}")
        elif "test" in example:
            if f'"{code}"' not in (SOURCE / example["test"]).read_text():
                failures.append(f"{example['test']} does not check {code}")
        elif code not in WITHOUT_EXAMPLE:
            failures.append(f"{code} needs an example, not only a reason")
        page += section(code, meaning, severity, example, output)
    document = SOURCE / "docs" / "diagnostics.md"
    page = page.rstrip() + "\n"
    if "--update" in sys.argv:
        document.write_text(page)
    elif not failures and document.read_text() != page:
        failures.append("docs/diagnostics.md differs from what the examples give now: run this test with --update, then build")
    if not failures and "--update" not in sys.argv:
        # What the program holds is made of the same text: a few tell whether it is the newest.
        for code, (meaning, severity) in [*known.items()][::10]:
            held = json.loads(subprocess.run([COMMAND, "explain", "--code", code, "--format", "json"],
                                             capture_output=True, text=True).stdout)
            if (held["code"], held["severity"], held["meaning"]) != (code, severity, meaning) or held["page"].strip() not in page:
                failures.append(f"explain --code {code} is not the entry of docs/diagnostics.md")
    print("\n".join(failures) or f"{len(known)} codes, each with its example")
    return 1 if failures else 0


sys.exit(main())
