"""`switchyard manifest` on files that Python's torch and safetensors write: what it says must be what torch says.

For TorchScript and pickled modules: names (ties with all of them), shapes, dtypes, requires_grad and module types of
named_parameters(); for a state_dict and safetensors: every tensor. Then the same files cut short, as parts of one model,
and below an index.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file

COMMAND = pathlib.Path(os.environ["SWITCHYARD_BUILD_DIR"]) / "bin" / "switchyard"


class Block(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.attention = torch.nn.Linear(size, size, bias=False)
        self.norm = torch.nn.BatchNorm1d(size)

    def forward(self, x):
        return self.norm(self.attention(x))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.table = torch.nn.Embedding(11, 6)
        self.blocks = torch.nn.ModuleList([Block(6), Block(6), Block(6)])
        self.conv = torch.nn.Conv1d(6, 4, 3)
        self.head = torch.nn.Linear(6, 11, bias=False)
        self.head.weight = self.table.weight
        self.register_buffer("steps", torch.zeros(3, dtype=torch.int64))
        self.blocks[1].attention.weight.requires_grad_(False)
        self.blocks[2].attention.half()

    def forward(self, x):
        y = self.table(x)
        for block in self.blocks:
            y = block(y)
        return self.head(y) * self.scale


def run(*arguments):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True)


def manifest(*paths):
    result = run("manifest", *paths)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def by_names(document):
    return {tuple(sorted(entry["names"])): entry for entry in document["parameters"]}


def expected(module, types=True):
    """The same from torch itself; ties are names of one tensor object."""
    out = {}
    owners = dict(module.named_modules())
    for name, tensor in module.named_parameters(remove_duplicate=False):
        out.setdefault(id(tensor), ([], tensor))[0].append(name)
    return {
        tuple(sorted(names)): {
            "shape": list(tensor.shape),
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "requires_grad": tensor.requires_grad,
            "module": type(owners[names[0].rpartition(".")[0]]).__name__,
        }
        for names, tensor in out.values()
    }


def check_module(path, module, source):
    document = manifest(path)
    assert document["source"] == source, document["source"]
    found = by_names(document)
    want = expected(module)
    assert set(found) == set(want), set(found) ^ set(want)
    for names, entry in want.items():
        for key, value in entry.items():
            assert found[names][key] == value, (names, key, found[names], value)
    first = [name for name, _ in module.named_parameters()]
    assert [entry["names"][0] for entry in document["parameters"]] == first, "the order of registration"


def check_failure(path, code):
    result = run("manifest", path, "--format", "json")
    assert result.returncode == 1, (path, result)
    codes = {finding["code"] for finding in json.loads(result.stdout)["diagnostics"]}
    assert codes == {code}, (path, codes)


def main(folder):
    module = Net()
    scripted = torch.jit.script(module)
    scripted.save(folder / "script.pt")
    check_module(folder / "script.pt", module, "TorchScript")
    torch.save(module, folder / "module.pt")
    check_module(folder / "module.pt", module, "pickled module")
    for protocol in (2, 4):
        torch.save(module.state_dict(), folder / "state.pt", pickle_protocol=protocol)
        found = by_names(manifest(folder / "state.pt"))
        assert ("head.weight", "table.weight") in found
        assert sum(len(names) for names in found) == len(module.state_dict())
        for names, entry in found.items():
            tensor = module.state_dict()[names[0]]
            assert entry["shape"] == list(tensor.shape) and entry["dtype"] == str(tensor.dtype).removeprefix("torch.")
            assert entry["requires_grad"] == tensor.dtype.is_floating_point
    torch.save({"epoch": 3, "model": module.state_dict(), "optimizer": {"state": {0: {"m": torch.ones(2)}}}}, folder / "checkpoint.pt")
    assert manifest(folder / "checkpoint.pt")["parameters"] == manifest(folder / "state.pt")["parameters"]

    # Types that only exist since storages are untyped, views of one storage, the checksum left out, the old format.
    base = torch.arange(12.0)
    torch.save({"f8": torch.zeros(4).to(torch.float8_e4m3fn), "u16": torch.zeros(2, dtype=torch.uint16), "a": base[:6].view(2, 3),
                "b": base[6:].view(3, 2).t(), "c": torch.zeros(0, 3)}, folder / "views.pt")
    entries = {entry["names"][0]: entry for entry in manifest(folder / "views.pt")["parameters"]}
    assert entries["f8"]["dtype"] == "float8_e4m3fn" and entries["u16"]["dtype"] == "uint16"
    assert entries["b"]["storage"]["offset"] == 6 and entries["b"]["storage"]["strides"] == [1, 2]
    assert entries["c"]["shape"] == [0, 3]
    torch.serialization.set_crc32_options(False)
    torch.save({"w": torch.ones(2)}, folder / "nocrc.pt")
    torch.serialization.set_crc32_options(True)
    assert len(manifest(folder / "nocrc.pt")["parameters"]) == 1
    torch.save({"w": torch.ones(2)}, folder / "old.pt", _use_new_zipfile_serialization=False)
    check_failure(folder / "old.pt", "SWY-3020")
    torch.save({"w": torch.ones(2).to_sparse()}, folder / "sparse.pt")
    check_failure(folder / "sparse.pt", "SWY-3024")

    # Cut short at any place it is one finding, never a crash.
    whole = (folder / "script.pt").read_bytes()
    for part in range(4, len(whole), len(whole) // 25):
        (folder / "cut.pt").write_bytes(whole[:part])
        check_failure(folder / "cut.pt", "SWY-3020")

    # Several files, in any order, with --model as well; an index; what is wrong with one.
    names = list(module.state_dict())
    halves = [{name: module.state_dict()[name].clone() for name in names[i::2]} for i in range(2)]
    files = [folder / f"net-0000{i + 1}-of-00002.safetensors" for i in range(2)]
    for part, file in zip(halves, files):
        save_file(part, file)
    whole = by_names(manifest(*files))
    assert whole == by_names(manifest(*reversed(files))) and len(whole) == len(names)
    weight_map = {name: files[i % 2].name for i, name in enumerate(names)}
    index = folder / "net.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    document = manifest(index)
    assert by_names(document) == whole and document["model"] == "net" and document["source"] == "safetensors header, sharded"
    spec = folder / "spec.json"
    spec.write_text(json.dumps({"switchyard": 1, "optimizers": {"a": {"plugin": "adamw", "lr": 0.001}},
                                "rules": [], "fallback": "a"}))
    plans = [run("plan", spec, *given, "--format", "json") for given in (
        ("--model", index), ("--model", files[0], "--model", files[1]), ("--model", folder / "state.pt"))]
    hashes = [json.loads(plan.stdout)["plan_hash"] for plan in plans]
    assert hashes[0] == hashes[1] and len(hashes[0]) > 8, plans[0].stderr
    assert hashes[2] != hashes[0], "a state_dict knows the tie, the safetensors files do not"
    for verb in (("explain", spec, "--param", "scale"), ("lint", spec), ("diff", spec, spec), ("init",)):
        result = run(*verb, *sum((["--model", file] for file in files), []))
        assert result.returncode == 0, (verb, result.stderr)
    result = run("manifest", files[0], files[0])
    assert result.returncode == 1 and result.stderr.count("SWY-2102") == len(halves[0])
    assert f"`{files[0]}` and `{files[0]}`" in result.stderr
    weight_map["gone.weight"] = "gone.safetensors"
    weight_map["lost.weight"] = "lost.safetensors"
    index.write_text(json.dumps({"weight_map": weight_map}))
    result = run("manifest", index)
    assert result.returncode == 2 and result.stderr.count("SWY-3010") == 2 and "lost.safetensors" in result.stderr


with tempfile.TemporaryDirectory() as name:
    main(pathlib.Path(name))
print("the files of torch and safetensors say what torch says")
sys.exit(0)
