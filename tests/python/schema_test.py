"""The committed JSON Schemas against an independent validator: they are valid draft-07, and they agree with `switchyard validate`
on a rich spec and on every mutation of it that renames, retypes or removes one value."""
import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import jsonschema

from json_places import parent_of, paths

source = pathlib.Path(os.environ["SWITCHYARD_SOURCE_DIR"])
command = pathlib.Path(os.environ["SWITCHYARD_BUILD_DIR"]) / "bin" / "switchyard"

spec = {
    "$schema": "./schemas/switchyard.spec.v1.schema.json",
    "switchyard": 1,
    "name": "rich",
    "description": "every key of the grammar",
    "base_lr": 0.01,
    "vars": {"rate": 0.02, "steps": 1000, "nonfinite": "skip", "flag": True, "betas": [0.9, 0.95], "wide": ">=2", "rows": 64},
    "canonical": {"strip": ["_orig_mod", "module"]},
    "layers": [{"index": "h.{i:int}.**", "count": 4, "before": "embed.**", "after": ["norm.**", "head.**"]},
               {"index": "d.{i:int}.**", "count": "$rows"}],
    "policy": {"SWY-2002": "error", "SWY-2006": "off"},
    "schedules": {
        "flat": {"kind": "constant", "peak": 1.0, "warmup": 10},
        "line": {"kind": "linear", "floor": 0.1, "warmup": "1%", "total": 1000},
        "cos": {"kind": "cosine", "floor": 0.1, "warmup": 5, "total": "$steps"},
        "main": {"kind": "wsd", "peak": 1, "warmup": 10, "decay": "20%", "shape": "sqrt", "floor": 0, "total": 1000},
        "mom": {"kind": "piecewise", "points": [[0, 0.85], ["30%", 0.95]], "total": 1000},
    },
    "optimizers": {
        "hidden": {"plugin": "muon", "lr": "$rate", "options": {"momentum": 0.9, "nesterov": True, "ns_steps": 5},
                   "schedules": {"lr": "main", "momentum": "mom"}},
        "slow": {"like": "hidden", "lr_scale": 0.5, "schedules": {"lr": "flat"}},
        "rest": {"plugin": "adamw", "options": {"betas": "$betas", "eps": 1e-8}, "schedules": {"lr": "cos"}},
        "sgd": {"plugin": "sgd", "lr": 0.1, "schedules": {"lr": "line"}},
    },
    "rules": [
        {"id": "qkv", "match": {"name": "h.*.qkv"}, "use": "hidden", "note": "fused",
         "matrix": {"out": [0], "in": [1], "split": {"axis": 0, "parts": [{"name": "q", "size": 8}, {"name": "k", "size": 4}, 4],
                                                      "interleave": 2}, "heads": {"axis": 0, "size": 4}}},
        {"id": "conv", "match": {"ndim": 4, "module": ["Conv2d"]}, "use": "slow", "matrix": {"flatten": {"out": [0], "in": [1, 2, 3]}}},
        {"id": "experts", "match": {"ndim": 3}, "use": "slow", "optional": True, "matrix": {"batch": [0], "out": [2], "in": [1]}},
        {"id": "turned", "match": {"ndim": 2, "module": "Odd"}, "use": "slow", "matrix": {"transpose": True, "split": {"axis": 0, "parts": 2}}},
        {"id": "small", "match": {"any": [{"ndim": "<=1"}, {"all": [{"numel": [1, "2..64"]}, {"not": {"tied": True}}]}]},
         "except": {"name": ["re:.*embed.*", "**.head"]}, "use": "rest", "set": {"lr_scale": 0.5, "wd_scale": 0, "eps": 1e-6}},
        {"id": "late", "match": {"layer": ["first", ">=2", "last"], "where": "ndim == 2 and rows >= $rows"}, "use": "rest"},
        {"id": "tied", "match": {"tie_with": ["**.head", "wte"], "layer": "last"}, "use": "rest"},
        {"id": "others", "match": {"shape": ["*", "$wide", "..."], "dtype": "float32", "tied": "$flag"}, "use": "sgd", "disabled": False},
    ],
    "fallback": "rest",
    "overrides": [{"id": "no-decay", "match": {"ndim": "<=1"}, "set": {"weight_decay": 0.0}, "optional": True, "note": "biases"}],
    "gradients": {"clip": {"norm": 1.0}, "accumulation": 2, "on_nonfinite": "$nonfinite"},
    "sinks": [{"kind": "jsonl", "path": "m.jsonl", "every": 10}],
}

schema = json.loads((source / "schemas" / "switchyard.spec.v1.schema.json").read_text())
for path in sorted((source / "schemas").glob("*.schema.json")):
    jsonschema.Draft7Validator.check_schema(json.loads(path.read_text()))
validator = jsonschema.Draft7Validator(schema)


over_a_preset = {"switchyard": 1, "extends": "preset:mlp", "vars": {"weight_decay": 0.1},
                 "optimizers": {"rest": {"lr": 0.1}}, "rules": [{"id": "vectors", "disabled": True}]}


def shipped():
    """Every spec of the repository that stands by itself or on presets, and what plugins suggest."""
    for path in sorted([*(source / "examples").rglob("*.json"), *(source / "schemas" / "presets").glob("*.json")]):
        document = json.loads(path.read_text())
        if "switchyard" in document:
            yield str(path.relative_to(source)), document
    for plugin in json.loads((source / "schemas" / "plugins.json").read_text())["plugins"]:
        if "defaults" in plugin:
            yield f"plugin:{plugin['name']}/defaults", {**plugin["defaults"], "extends": "plugin:adamw/defaults"}


def mutations():
    yield "as it is", spec
    yield from shipped()
    for key in ("modular_norm", "monitors", "distributed", "checkpoint", "requires"):
        yield f"{key} of a later build", {**spec, key: {}}
    yield "a tag of a later build", {**spec, "rules": [{"id": "t", "match": {"tag": "x"}, "use": "rest"}, *spec["rules"]]}
    yield "an expression of a later build", {**spec, "overrides": [{"id": "o", "match": {"ndim": 1}, "set": {"lr_scale": {"expr": "1"}}}]}
    yield "a spec over a preset", over_a_preset
    yield "a list of presets", {**over_a_preset, "extends": ["preset:mlp"]}
    yield "the same over nothing", {key: value for key, value in over_a_preset.items() if key != "extends"}
    for value in (7, "", [], [""], [7], {}, None, "preset:none"):
        yield f"a spec over {value!r}", {**over_a_preset, "extends": value}
    for key in ("match", "use"):
        changed = copy.deepcopy(spec)
        del changed["rules"][-1][key]
        changed["rules"][-1]["disabled"] = True
        yield f"a disabled rule without {key}", changed
    for path in paths(spec):
        spot = "/".join(map(str, path))
        for name, value in (("null", None), ("an object", {"x": 1}), ("a negative number", -7), ("a flag", True), ("a real", 1.5),
                            ("an empty text", ""), ("an empty list", [])):
            changed = copy.deepcopy(spec)
            parent_of(changed, path)[path[-1]] = value
            yield f"{spot} is {name}", changed
        if isinstance(path[-1], str):
            changed = copy.deepcopy(spec)
            parent = parent_of(changed, path)
            parent[path[-1] + "x"] = parent.pop(path[-1])
            yield f"{spot} is misspelt", changed
            changed = copy.deepcopy(spec)
            del parent_of(changed, path)[path[-1]]
            yield f"{spot} is missing", changed


cases = list(mutations())
with tempfile.TemporaryDirectory() as folder:
    files = []
    for i, (_, document) in enumerate(cases):
        files.append(f"{folder}/{i}.json")
        pathlib.Path(files[-1]).write_text(json.dumps(document))
    done = subprocess.run([command, "validate", "--format", "json", *files], capture_output=True, text=True)
    result = json.loads(done.stdout)

accepted = [row["valid"] for row in result["files"]]
codes = {}
for finding in result["diagnostics"]:
    codes.setdefault(finding["file"], set()).add(finding["code"])

# What a schema cannot say: that names refer to each other, are unique, and that numbers fit together.
beyond_schema = {"SWY-1015", "SWY-1016", "SWY-1018", "SWY-1020", "SWY-1021", "SWY-1022", "SWY-1103", "SWY-1104", "SWY-1105", "SWY-1106", "SWY-1110",
                 "SWY-1152", "SWY-1153", "SWY-1156", "SWY-1160", "SWY-1161"}
wrong = []
refused_by_both = 0
for (what, document), file, good in zip(cases, files, accepted):
    first = next(validator.iter_errors(document), None)
    refused_by_both += not good and first is not None
    found = codes.get(file, set()) - {"SWY-2008", "SWY-2009", "SWY-1154"}
    if good and first is not None:
        wrong.append(f"{what}: accepted, but the schema says {first.message}")
    # An optimizer that takes its plugin from another one (`like`): which options it has is a matter of that reference.
    by_reference = {"SWY-1101", "SWY-1102"} if what.startswith("optimizers/slow/") else set()
    # What a variable stands for is judged where it is used, which a schema does not follow.
    through_variable = what.startswith("vars/")
    if not good and first is None and not through_variable and not found & (beyond_schema | by_reference):
        wrong.append(f"{what}: refused with {sorted(found)}, but the schema accepts it")
if not accepted[0]:
    wrong.append(f"the sample is refused: {codes.get(files[0])}")
for (what, _), file, good in list(zip(cases, files, accepted))[1:1 + len(list(shipped()))]:
    if not good:
        wrong.append(f"{what}: refused with {codes.get(file)}")
if refused_by_both < len(cases) // 2:
    wrong.append(f"only {refused_by_both} of {len(cases)} mutations are refused by both: the comparison says little")
print(f"{len(cases)} documents, {refused_by_both} refused by both")
sys.exit("\n".join(wrong[:40]) if wrong else 0)
