"""The schemas of plans, manifests, metrics and the index of a checkpoint against real documents, as the command and a run write
them: each document fits its schema, which allows no other keys, and each key of a schema stands in one of the documents. So
neither can drift. Manifests are mutated as well: the schema and the reader agree on each."""
import copy
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import jsonschema

from json_places import parent_of, paths

source = pathlib.Path(os.environ["SWITCHYARD_SOURCE_DIR"])
programs = pathlib.Path(os.environ["SWITCHYARD_BUILD_DIR"]) / "bin"
kinds = ("plan", "manifest", "metrics", "checkpoint-index")
schemas = {kind: json.loads((source / "schemas" / f"switchyard.{kind}.v1.schema.json").read_text()) for kind in kinds}
validators = {kind: jsonschema.Draft7Validator(schema) for kind, schema in schemas.items()}
seen = {kind: set() for kind in kinds}
wrong = []


def resolve(kind, where, schema):
    while "$ref" in schema:
        where = schema["$ref"]
        schema = schemas[kind]["definitions"][where.rsplit("/", 1)[1]]
    return where, schema


def visit(kind, value, schema, where="#"):
    """Notes every key of the schema that the document has."""
    where, schema = resolve(kind, where, schema)
    branches = [(f"{where}/allOf/{i}", inner) for i, inner in enumerate(schema.get("allOf", ()))]
    branches += [(f"{where}/anyOf/{i}", inner) for i, inner in enumerate(schema.get("anyOf", ()))]
    if "if" in schema:
        met = validators[kind].evolve(schema=schema["if"]).is_valid(value)
        branch = "then" if met else "else"
        branches += [(f"{where}/{branch}", schema[branch])] if branch in schema else []
    for place, inner in branches:
        visit(kind, value, inner, place)
    if isinstance(value, dict):
        for key, child in value.items():
            if key in schema.get("properties", {}):
                seen[kind].add((where, key))
                visit(kind, child, schema["properties"][key], f"{where}/{key}")
            elif isinstance(schema.get("additionalProperties"), dict):
                visit(kind, child, schema["additionalProperties"], f"{where}/*")
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for child in value:
            visit(kind, child, schema["items"], f"{where}/[]")


def keys_of(schema, where="#"):
    """Every key of a closed object, with its place; definitions under the reference that names them."""
    if isinstance(schema, list):
        for i, inner in enumerate(schema):
            yield from keys_of(inner, f"{where}/{i}")
    if not isinstance(schema, dict):
        return
    if schema.get("additionalProperties") is False:
        yield from ((where, key) for key in schema["properties"])
    for key, inner in schema.items():
        if key == "definitions":
            for name, definition in inner.items():
                yield from keys_of(definition, f"#/definitions/{name}")
        elif key == "properties":
            for name, definition in inner.items():
                yield from keys_of(definition, f"{where}/{name}")
        elif key == "items":
            yield from keys_of(inner, f"{where}/[]")
        elif key == "additionalProperties":
            yield from keys_of(inner, f"{where}/*")
        elif key not in ("required", "enum", "const", "default", "examples"):
            yield from keys_of(inner, f"{where}/{key}")


def check(kind, what, document):
    for error in validators[kind].iter_errors(document):
        wrong.append(f"{kind}: {what}: {error.json_path}: {error.message[:300]}")
    visit(kind, document, schemas[kind])


def command(*arguments, exits=(0,)):
    done = subprocess.run([programs / "switchyard", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode not in exits:
        sys.exit(f"{arguments}: exit {done.returncode}\n{done.stderr}{done.stdout[:1000]}")
    return done.stdout


manifest = {
    "$schema": "../schemas/switchyard.manifest.v1.schema.json",
    "switchyard_manifest": 1, "model": "small", "source": "by hand",
    "parameters": [
        {"names": ["embed.weight", "head.weight"], "shape": [64, 16], "dtype": "float32", "requires_grad": True, "module": "Embedding"},
        {"names": ["h.0.qkv.weight"], "shape": [48, 16], "dtype": "torch.bfloat16", "module": "Linear"},
        {"names": ["h.0.up.weight"], "shape": [32, 16], "dtype": "float32", "storage": {"id": "cpu:7", "offset": 0, "strides": [16, 1]}},
        {"names": ["h.0.down.weight"], "shape": [16, 32], "dtype": "float32", "module": "Linear"},
        {"names": ["h.0.norm.weight"], "shape": [16], "dtype": "float32"},
        {"names": ["conv.weight"], "shape": [8, 4, 3, 3], "dtype": "float32", "module": "Conv2d"},
        {"names": ["scale"], "shape": [], "dtype": "float32"},
        {"names": ["positions"], "shape": [16], "dtype": "float32", "requires_grad": False}],
}
spec = {
    "switchyard": 1, "base_lr": 0.01,
    "schedules": {"flat": {"kind": "constant", "warmup": 2}, "line": {"kind": "linear", "total": 100},
                  "cos": {"kind": "cosine", "warmup": "5%", "floor": 0.1, "total": 100},
                  "wsd": {"kind": "wsd", "decay": 20, "shape": "sqrt", "total": 100},
                  "points": {"kind": "piecewise", "points": [[0, 0.85], [30, 0.95]]}},
    "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02, "schedules": {"lr": "wsd", "momentum": "points"}},
                   "table": {"plugin": "adamw", "lr_scale": 0.1, "schedules": {"lr": "cos"}},
                   "vector": {"plugin": "lion", "lr": 0.001, "schedules": {"lr": "line"}},
                   "rest": {"plugin": "sgd", "lr": 0.1, "options": {"momentum": 0.9}, "schedules": {"lr": "flat"}}},
    "rules": [
        {"id": "tables", "match": {"name": "embed.*"}, "use": "table", "set": {"lr_scale": 0.5}},
        {"id": "qkv", "match": {"name": "h.*.qkv.*"}, "use": "hidden", "matrix": {"split": {"axis": 0, "parts": 3}, "heads": {"axis": 0, "size": 8}}},
        {"id": "linears", "match": {"ndim": 2}, "use": "hidden"},
        {"id": "norms", "match": {"name": "**.norm.*"}, "use": "vector", "set": {"wd_scale": 0}},
        {"id": "nothing", "match": {"name": "none"}, "use": "rest", "optional": True}],
    "overrides": [{"id": "late", "match": {"name": "h.0.down.*"}, "set": {"lr_scale": 0.7}}],
    "fallback": "rest", "gradients": {"clip": {"norm": 1.0}, "accumulation": 2},
    "sinks": [{"kind": "jsonl", "path": "metrics.jsonl"}],
}


def safetensors(path, shapes):
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * shape[1]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(offset))


def mutations(document):
    yield "as it is", document
    for path in paths(document):
        spot = "/".join(map(str, path))
        for name, value in (("null", None), ("an object", {"x": 1}), ("-7", -7), ("a flag", True), ("1.5", 1.5), ("an empty text", ""), ("[]", [])):
            changed = copy.deepcopy(document)
            parent_of(changed, path)[path[-1]] = value
            yield f"{spot} is {name}", changed
        if isinstance(path[-1], str):
            changed = copy.deepcopy(document)
            parent = parent_of(changed, path)
            parent[path[-1] + "x"] = parent.pop(path[-1])
            yield f"{spot} is misspelt", changed
            changed = copy.deepcopy(document)
            del parent_of(changed, path)[path[-1]]
            yield f"{spot} is missing", changed


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    model, routes = folder / "model.json", folder / "spec.json"
    model.write_text(json.dumps(manifest))
    routes.write_text(json.dumps(spec))
    check("manifest", "by hand", manifest)
    check("manifest", "as it is written again", json.loads(command("manifest", model, "--format", "json")))
    safetensors(folder / "model.safetensors", {"a.0.up.weight": [8, 4], "a.0.down.weight": [4, 8]})
    check("manifest", "of safetensors", json.loads(command("manifest", folder / "model.safetensors", "--format", "json")))

    lock = folder / "plan.lock"
    plan = json.loads(command("plan", routes, "--model", model, "--format", "json", "--write-lock", lock))
    check("plan", "of the rich spec", plan)
    check("plan", "lock", json.loads(lock.read_text()))
    check("plan", "with $schema", {"$schema": "x", **plan})
    example = source / "examples"
    check("plan", "of the example", json.loads(command("plan", example / "specs/gpt2_muon.json", "--model", example / "manifests/gpt2-124m.json",
                                                       "--format", "json")))
    (folder / "mistake.json").write_text(json.dumps({**spec, "fallback": "rset"}))
    check("plan", "that failed", json.loads(command("plan", folder / "mistake.json", "--model", model, "--format", "json", exits=(1,))))

    run = {**spec, "rules": [{**rule, "matrix": {"split": {"axis": 0, "parts": 3}}} if "matrix" in rule else rule for rule in spec["rules"]],
           "overrides": [], "gradients": {"clip": {"norm": 1.0}}}
    (folder / "run.json").write_text(json.dumps(run))
    subprocess.run([programs / "documents_replay", folder / "run.json", folder], check=True)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        check("metrics", f"step {line.get('step')} of `{line.get('group')}`", line)
    if not any(line.get("applied") == 0 for line in lines):
        wrong.append("metrics: no step was skipped: the sample says too little")
    check("checkpoint-index", "of a run", json.loads((folder / "checkpoint/index.json").read_text()))

    # A schema that allows anything would pass so far.
    broken = [("plan", {**plan, "extra": 1}), ("plan", {**plan, "plan_hash": "x"}), ("metrics", {"step": 1, "group": ""}), ("metrics", {"step": 1}),
              ("metrics", {**lines[1], "lr": 1}), ("metrics", {**lines[2], "applied": 1}), ("metrics", {"switchyard_metrics": 2})]
    parameter = plan["parameters"][1]
    for change in ({"settings": {}}, {"factors": {}}, {"plugin": "", "settings": {"momentum": 1}}, {"blocks": [{}]}, {"shape": [-1]},
                   {"settings": {**parameter["settings"], "ns_steps": 0}}, {"settings": {**parameter["settings"], "eps": 1}}):
        broken.append(("plan", {**plan, "parameters": [{**parameter, **change}]}))
    for kind, document in broken:
        if validators[kind].is_valid(document):
            wrong.append(f"{kind}: accepts {json.dumps(document)[:300]}")

    cases = list(mutations(manifest))
    files = []
    for i, (_, document) in enumerate(cases):
        files.append(folder / f"m{i}.json")
        files[-1].write_text(json.dumps(document))
    verdicts = subprocess.run([programs / "documents_replay", "--manifests", *files], check=True, capture_output=True, text=True)
    # What a schema cannot say: that names are unique, and that numbers fit together.
    beyond_schema = {"SWY-1015", "SWY-1018", "SWY-2102", "SWY-2103", "SWY-2104"}
    refused = 0
    for (what, document), line in zip(cases, verdicts.stdout.splitlines(), strict=True):
        good, *codes = line.split()
        valid = validators["manifest"].is_valid(document)
        refused += good == "refused" and not valid
        if good == "accepted" and not valid or good == "refused" and valid and not beyond_schema & set(codes):
            wrong.append(f"manifest: {what}: {line}, but the schema says {'valid' if valid else 'invalid'}")
    if not verdicts.stdout.startswith("accepted"):
        wrong.append("manifest: the sample itself is refused")
    if refused < len(cases) // 2:
        wrong.append(f"only {refused} of {len(cases)} mutations are refused by both: the comparison says little")

for kind in kinds:
    for where, key in sorted(set(keys_of(schemas[kind])) - seen[kind]):
        if key != "$schema":
            wrong.append(f"{kind}: no document has `{key}` of {where}")
print(f"{len(cases)} manifests, {refused} refused by both; {sum(map(len, seen.values()))} keys of {len(kinds)} schemas seen")
sys.exit("\n".join(wrong[:40]) if wrong else 0)
