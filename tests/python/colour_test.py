"""Colour on a terminal (a pty): there by default, away with NO_COLOR, TERM=dumb and --color never."""

import os
import pathlib
import pty
import sys
import tempfile

COMMAND = pathlib.Path(os.environ["SWITCHYARD_BUILD_DIR"]) / "bin" / "switchyard"


def on_terminal(arguments, environment):
    """What the command writes when stdout and stderr are a terminal."""
    pid, master = pty.fork()
    if pid == 0:
        kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
        os.execve(COMMAND, [str(COMMAND), *arguments], {**kept, "TERM": "xterm", **environment})
    out = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not part:
            break
        out += part
    os.close(master)
    os.waitpid(pid, 0)
    assert out, arguments
    return out


with tempfile.TemporaryDirectory() as folder:
    spec = pathlib.Path(folder) / "spec.json"
    spec.write_text('{"switchyard": 1, "optimizers": {"a": {"plugin": "adamv", "lr": 1}}, "rules": [], "fallback": "a"}')
    for arguments in (["validate", str(spec)], ["--help"], ["plugins", "show", "muon"]):
        for environment, more, coloured in (
            ({}, [], True),
            ({"NO_COLOR": ""}, [], True),
            ({"NO_COLOR": "1"}, [], False),
            ({"TERM": "dumb"}, [], False),
            ({}, ["--color", "never"], False),
            ({"NO_COLOR": "1"}, ["--color", "always"], True),
            ({"NO_COLOR": "1"}, ["--color", "auto"], False),
        ):
            text = on_terminal(arguments + more, environment)
            assert (b"\x1b[" in text) == coloured, (arguments, environment, more, text)
    assert b"\x1b[" not in on_terminal(["validate", str(spec), "--format", "json"], {}), "a document is never coloured"
print("colour follows the terminal, NO_COLOR, TERM and --color")
sys.exit(0)
