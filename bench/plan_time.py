#!/usr/bin/env python3
"""Time of `switchyard plan` as a whole process: on a 7B model's parameter list next to `switchyard --version` in the same run, and on
100,000 parameters with 1,000 rules. Both models are generated here.

usage: plan_time.py SWITCHYARD [REPEATS]
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time


def llama_7b():
    """The parameter list of a 7B decoder: 32 layers, width 4096, feed-forward 11008, 32000 symbols, separate head."""
    def entry(name, shape, module):
        return {"names": [name], "shape": shape, "dtype": "bfloat16", "requires_grad": True, "module": module}

    parameters = [entry("model.embed_tokens.weight", [32000, 4096], "Embedding")]
    for layer in range(32):
        prefix = f"model.layers.{layer}."
        for name in "qkvo":
            parameters.append(entry(f"{prefix}self_attn.{name}_proj.weight", [4096, 4096], "Linear"))
        for name, shape in (("gate", [11008, 4096]), ("up", [11008, 4096]), ("down", [4096, 11008])):
            parameters.append(entry(f"{prefix}mlp.{name}_proj.weight", shape, "Linear"))
        for name in ("input_layernorm", "post_attention_layernorm"):
            parameters.append(entry(f"{prefix}{name}.weight", [4096], "RMSNorm"))
    parameters.append(entry("model.norm.weight", [4096], "RMSNorm"))
    parameters.append(entry("lm_head.weight", [32000, 4096], "Linear"))
    return {"switchyard_manifest": 1, "model": "7b", "source": "bench/plan_time.py", "parameters": parameters}


def llama_spec():
    return {
        "switchyard": 1,
        "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02}, "rest": {"plugin": "adamw", "lr": 3e-4}},
        "rules": [
            {"id": "tables", "match": {"name": ["model.embed_tokens.weight", "lm_head.weight"]}, "use": "rest"},
            {"id": "matrices", "match": {"name": "model.layers.**", "ndim": 2}, "use": "hidden"},
            {"id": "gains", "match": {"ndim": 1}, "use": "rest"},
        ],
        "fallback": "error",
    }


def many(parameters, rules):
    """`parameters` tensors over `rules` modules, each module taken by a rule of its own."""
    entries = []
    for i in range(parameters):
        entries.append({"names": [f"model.part{i % rules}.layers.{i // rules}.weight"], "shape": [64, 64], "dtype": "float32",
                        "requires_grad": True, "module": "Linear"})
    manifest = {"switchyard_manifest": 1, "model": "many", "source": "bench/plan_time.py", "parameters": entries}
    spec = {
        "switchyard": 1,
        "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02}},
        "rules": [{"id": f"r{r}", "match": {"name": f"model.part{r}.layers.*.weight", "ndim": 2}, "use": "hidden"} for r in range(rules)],
        "fallback": "error",
    }
    return manifest, spec


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    switchyard = sys.argv[1]
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)

        def write(name, value):
            (folder / name).write_text(json.dumps(value))
            return str(folder / name)

        spec, model = write("7b.spec.json", llama_spec()), write("7b.json", llama_7b())
        big_model, big_spec = many(100_000, 1_000)
        big_spec, big_model = write("many.spec.json", big_spec), write("many.json", big_model)
        version, plan, big = [], [], []
        for _ in range(repeats):  # interleaved, so that other work on the machine meets all three alike
            version.append(seconds([switchyard, "--version"]))
            plan.append(seconds([switchyard, "plan", spec, "--model", model]))
            big.append(seconds([switchyard, "plan", big_spec, "--model", big_model]))
    base, seven, hundred = (statistics.median(values) for values in (version, plan, big))
    print(f"--version                        {base:.3f} s (median of {repeats})")
    print(f"plan, 7B parameter list          {seven:.3f} s, {seven - base:+.3f} s over --version (bar 0.15)")
    print(f"plan, 100,000 x 1,000 rules      {hundred:.3f} s (bar 2)")
    return 0 if seven - base <= 0.15 and hundred <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
