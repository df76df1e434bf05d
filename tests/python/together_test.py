"""Which sources may be compiled as one text: those where no name is another's private name."""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ["SWITCHYARD_SOURCE_DIR"])
sys.path.insert(0, str(ROOT / "cmake"))
import together  # noqa: E402: found there


def private(declaration, rest=""):
    return f"namespace switchyard {{\n\nnamespace {{\n\n{declaration}\n\n}}  // namespace\n\n{rest}\n}}  // namespace switchyard\n"


def write(folder, texts):
    sources = [pathlib.Path(folder) / f"{number}.cpp" for number in range(len(texts))]
    for source, text in zip(sources, texts):
        source.write_text(text)
    return sources


def groups(texts, most=10):
    """The texts' numbers as they are put together."""
    with tempfile.TemporaryDirectory() as folder:
        found = together.groups(write(folder, texts), lambda source: source, lambda source: source.parent, most)
        return [[int(source.stem) for source in group] for group in found]


PLAIN = "namespace switchyard { void shown(); }\n"
assert groups([PLAIN, PLAIN, PLAIN]) == [[0, 1, 2]], "what is not private is in nobody's way"
assert groups([PLAIN] * 5, most=2) == [[0, 1], [2, 3], [4]]
DECLARATIONS = ["int count(double x) { return 0; }", "constexpr int count = 3;", "struct count {\n  int a = 0;\n};",
                "class count;", "enum class count { a };", "using count = int;", "const std::map<int, int> count = {};",
                "std::vector<int>& count();", "template <class T>\nT count(T x) {\n  return x;\n}"]
for first in DECLARATIONS:
    assert groups([private(first), private("int other();")]) == [[0, 1]], first
    for second in [private(one) for one in DECLARATIONS] + ["namespace switchyard { int f() { return count(1); } }\n"]:
        assert groups([private(first), second]) == [[0], [1]], (first, second)
        assert groups([second, private(first)]) == [[0], [1]], (first, second)
assert groups([private("int count();"), "// count\n" + 'const char* text = "count";\n']) == [[0, 1]], "words are no names"
assert groups(["#define LIMIT 3\n", "int f() { return LIMIT; }\n"]) == [[0], [1]], "a macro has no namespace"
assert groups([private("int a();"), private("int a();"), private("int b();")]) == [[0, 2], [1]], "the first that it suits"
with tempfile.TemporaryDirectory() as folder:
    sources = write(folder, [private("int a();"), PLAIN, private("int a();")])
    command = [sys.executable, ROOT / "cmake" / "together.py", f"{folder}/out", "part", "10", *map(str, sources)]

    def run():
        paths = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(";")
        return [(path, pathlib.Path(path).read_text(), pathlib.Path(path).stat().st_mtime_ns) for path in paths]

    first = run()
    assert [text for _, text, _ in first] == [f'#include "{sources[0]}"\n#include "{sources[1]}"\n', f'#include "{sources[2]}"\n']
    assert run() == first, "nothing new, nothing written"
print("no group has a private name twice")
