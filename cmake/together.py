#!/usr/bin/env python3
"""Which C++ sources can be compiled as one text, because none of them uses a private name of another.

What a file declares in an unnamed namespace is its own only as long as it is a text of its own. So a file joins a group
only if no name in it, of whatever kind, is a private name of the group, and no private name of it is a name in the group.
Private names are found by how this project writes them: an unnamed namespace opens and closes at the start of a line, and
so do its declarations.

As a program: together.py FOLDER NAME MOST SOURCE... writes FOLDER/NAME_0.cpp and so on, each including at most MOST of the
sources, and prints their paths separated by semicolons. A text that is already there with the same content is not touched.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRIVATE = re.compile(r"^namespace \{\n(.*?)^\}  // namespace\n", re.MULTILINE | re.DOTALL)
DEFINED = re.compile(r"^(?:class|struct|enum(?: class)?|using) +(\w+)"
                     r"|^(?=[A-Za-z])(?!template|return)[\w:<>,&* ]*?\b(\w+) *(?:\(|\{|=|;)", re.MULTILINE)
MACRO = re.compile(r"^ *# *define +(\w+)", re.MULTILINE)
NOT_CODE = re.compile(r'//[^\n]*|"(?:[^"\\\n]|\\.)*"')


def names(source):
    """The private names of a file, and all names in it."""
    text = source.read_text()
    private = {a or b for part in PRIVATE.findall(text) for a, b in DEFINED.findall(part)} | set(MACRO.findall(text))
    return private, set(re.findall(r"[A-Za-z_]\w*", NOT_CODE.sub("", text)))


def groups(items, source_of, kind_of, most):
    """The items in lists of at most `most`, of one kind each, whose sources can be one text. Keeps the order of the items."""
    out = []
    for item in items:
        kind = kind_of(item)
        private, used = names(source_of(item))
        for group in out:
            if group["kind"] == kind and len(group["items"]) < most and not (
                    private & group["used"] or used & group["private"]):
                break
        else:
            group = {"kind": kind, "items": [], "private": set(), "used": set()}
            out.append(group)
        group["items"].append(item)
        group["private"] |= private
        group["used"] |= used
    return [group["items"] for group in out]


def include(source):
    """Relative to the root, so that a clone in another folder has the same text."""
    return f'#include "{source.relative_to(ROOT) if source.is_relative_to(ROOT) else source}"\n'


def main():
    folder, name, most, *sources = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for group in groups([pathlib.Path(source) for source in sources], lambda s: s, lambda s: s.parent, int(most)):
        path = folder / f"{name}_{len(written)}.cpp"
        text = "".join(include(source) for source in group)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        written.append(str(path))
    print(";".join(written), end="")


if __name__ == "__main__":
    main()
