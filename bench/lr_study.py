#!/usr/bin/env python3
"""Muon + AdamW against AdamW alone on the example's GPT, each at the best learning rate of its own grid.

    python3 bench/lr_study.py --data tinyshakespeare.txt

Trains examples/train_gpt once a learning rate and spec; everything else is the same for both: model, seed, steps, batch,
warmup and schedule shape, clipping, AdamW's options. Prints every result as a Markdown table and writes
bench/results/lr_study.json. Exits with 1 if a best one lies at an end of its grid: a wider grid might then have a better one.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS = 500  # the `total` of the specs' schedules
GRIDS = {
    "gpt_adamw": [0.001, 0.002, 0.004, 0.008, 0.016],
    "gpt_muon_adamw": [0.01, 0.02, 0.04, 0.08, 0.16],
}


def train(program, spec, base_lr, args, folder):
    run = folder / f"{spec}-{base_lr:g}"
    quiet = ["--checkpoint-every", 100, "--validate-every", 0, "--sample", 0, "--quiet", "--format", "json"]
    if (run / "checkpoint" / "index.json").exists():  # of a study that was interrupted: goes on with the same bits
        command = [program, "--resume", run, *quiet]
    else:
        shutil.rmtree(run, ignore_errors=True)
        spec_file = ROOT / "examples" / "specs" / f"{spec}.json"
        command = [program, "--spec", spec_file, "--base-lr", base_lr, "--data", args.data, "--steps", STEPS, "--seed", args.seed,
                   "--out", run, *quiet]
    # One thread a run and several runs at once: quicker than the other way round for a model this small, and the number of
    # threads, which changes the last bits of matrix products and with them the loss a little, is the same on every machine.
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True, env=environment)
    result = json.loads(done.stdout)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    result["train_loss"] = statistics.mean([record["loss"] for record in records if record.get("group") == "train"][-20:])
    print(f"{spec} base_lr {base_lr:g}: validation {result['validation_loss']:.4f}", file=sys.stderr, flush=True)
    return result


def spec_settings(spec):
    text = json.loads((ROOT / "examples" / "specs" / f"{spec}.json").read_text())
    return {key: text[key] for key in ("optimizers", "schedules", "gradients")}


def refuse_other_differences():
    one, other = (spec_settings(spec) for spec in GRIDS)
    same = one["schedules"] == other["schedules"] and one["gradients"] == other["gradients"]
    if not same or one["optimizers"]["adamw"]["options"] != other["optimizers"]["adamw"]["options"]:
        sys.exit("the specs differ in schedules, clipping or AdamW's options: the comparison would not be one of optimizers")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the text, for example tinyshakespeare.txt")
    parser.add_argument("--program", default=ROOT / "build/release/bin/train_gpt", help="the built train_gpt")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once (default: the number of processors)")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the runs; given again, an interrupted study goes on there")
    parser.add_argument("--only", choices=GRIDS, help="one spec, to look for its grid")
    parser.add_argument("--lr", type=float, action="append", help="instead of the grid; may be given several times")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/lr_study.json")
    args = parser.parse_args()
    refuse_other_differences()

    runs = [{"spec": spec, "base_lr": base_lr} for spec in GRIDS if args.only in (None, spec) for base_lr in args.lr or GRIDS[spec]]
    with tempfile.TemporaryDirectory() as temporary, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        folder = args.keep or pathlib.Path(temporary)
        # Slowest first, so that no long run is left over at the end.
        waiting = [(run, pool.submit(train, args.program, run["spec"], run["base_lr"], args, folder)) for run in reversed(runs)]
        for run, future in waiting:
            result = future.result()
            run.update({key: result[key] for key in ("validation_loss", "train_loss")})

    specs = [spec for spec in GRIDS if any(run["spec"] == spec for run in runs)]
    best = {spec: min((run for run in runs if run["spec"] == spec), key=lambda run: run["validation_loss"]) for spec in specs}
    print("| spec | base_lr | validation loss | training loss |\n|---|---:|---:|---:|")
    for run in runs:
        mark = "**" if run is best[run["spec"]] else ""
        print(f"| {run['spec']} | {run['base_lr']:g} | {mark}{run['validation_loss']:.3f}{mark} | {run['train_loss']:.3f} |")
    print(f"\ntext: {result['data_bytes']} bytes, sha256 `{result['data_sha256']}`; validation on {result['validation_windows']} "
          f"windows that do not overlap; {STEPS} steps, seed {args.seed}, one thread a run")
    at_an_end = []
    for spec in specs:
        rates = sorted(run["base_lr"] for run in runs if run["spec"] == spec)
        if best[spec]["base_lr"] in (rates[0], rates[-1]):
            at_an_end.append(spec)
    if len(specs) == 2:
        difference = best["gpt_adamw"]["validation_loss"] - best["gpt_muon_adamw"]["validation_loss"]
        print(f"best against best: Muon + AdamW is {difference:.3f} nats a byte lower than AdamW")
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps({
            "data_bytes": result["data_bytes"], "data_sha256": result["data_sha256"], "steps": STEPS, "seed": args.seed,
            "validation_windows": result["validation_windows"],
            "specs": {spec: spec_settings(spec) for spec in specs}, "runs": runs,
            "best": {spec: best[spec]["base_lr"] for spec in specs}, "difference": difference,
        }, indent=1) + "\n")
    for spec in at_an_end:
        print(f"{spec}: the best learning rate lies at an end of its grid", file=sys.stderr)
    return 1 if at_an_end else 0


if __name__ == "__main__":
    sys.exit(main())
