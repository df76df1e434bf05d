"""AdamW against torch.optim.AdamW of the same LibTorch, bit for bit over 100 steps.

Mode `torch` must equal the for-loop optimizer in every element. Mode `fused` must equal the fused one wherever a tensor's
numel is a multiple of 8, and may differ in the last numel % 8 elements elsewhere: there torch's own kernel uses another
order, so that its bits depend on the cut. The 8 lanes are torch's float32 ones; float64 has 4.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch

STEPS = 100
DEFAULTS = dict(lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2, amsgrad=False, maximize=False)
VARIANTS = [
    {},
    dict(weight_decay=0.0),
    dict(amsgrad=True),
    dict(maximize=True),
    dict(amsgrad=True, maximize=True, lr=3e-2, beta1=0.8, beta2=0.95, eps=1e-6, weight_decay=0.3),
    dict(beta1=0.4, beta2=0.9),  # the other branch of lerp: 1 - beta1 >= 0.5
]


SOME_SIZES = [1, 5, 8, 37, 64, 1003]
LARGE = 4096 * 1024  # more than one thread; few variants, because each takes seconds


def cases():
    for arithmetic in ("torch", "fused"):
        for dtype in ("float32", "float64"):
            for number, variant in enumerate(VARIANTS):
                every_size = number == 0 or (number == 4 and dtype == "float32")
                for n in list(range(1, 71)) + [1003] if every_size else SOME_SIZES:
                    yield dict(arithmetic=arithmetic, dtype=dtype, n=n, gradients=STEPS, **{**DEFAULTS, **variant})
    for arithmetic, variant in (("torch", VARIANTS[4]), ("fused", VARIANTS[0])):
        yield dict(arithmetic=arithmetic, dtype="float32", n=LARGE, gradients=3, **{**DEFAULTS, **variant})


def make_inputs(case, random):
    dtype = numpy.dtype(case["dtype"])
    n = case["n"]
    param = random.standard_normal(n).astype(dtype)
    grads = random.standard_normal((case["gradients"], n)).astype(dtype)
    with numpy.errstate(over="ignore", under="ignore"):
        grads *= (10.0 ** random.uniform(-6, 2, (case["gradients"], 1))).astype(dtype)
    if case["gradients"] == STEPS:
        grads[random.random(grads.shape) < 0.05] = 0  # a sparse gradient
        grads[:, : n // 8] *= dtype.type(1e-25)  # squares of these are denormal or zero in float32
    return param, grads


def torch_trajectory(case, param, grads):
    p = torch.nn.Parameter(torch.from_numpy(param.copy()))
    optimizer = torch.optim.AdamW(
        [p], lr=case["lr"], betas=(case["beta1"], case["beta2"]), eps=case["eps"], weight_decay=case["weight_decay"],
        amsgrad=case["amsgrad"], maximize=case["maximize"], foreach=False, fused=case["arithmetic"] == "fused")
    parts = []
    for t in range(STEPS):
        p.grad = torch.from_numpy(grads[t % case["gradients"]].copy())
        optimizer.step()
        if case["n"] <= 1100:
            parts.append(p.detach().numpy().copy())
    state = optimizer.state[p]
    vmax = state["max_exp_avg_sq"] if case["amsgrad"] else torch.zeros_like(p)
    return numpy.stack(parts + [x.detach().numpy() for x in (p, state["exp_avg"], state["exp_avg_sq"], vmax)])


def differences(case, ours, theirs):
    """Indices (row, element) where the bits differ although the contract says that they may not."""
    bits = numpy.uint32 if case["dtype"] == "float32" else numpy.uint64
    unequal = ours.view(bits) != theirs.view(bits)
    if case["arithmetic"] == "fused":
        lanes = 8 if case["dtype"] == "float32" else 4
        allowed = case["n"] % lanes
        if allowed:
            tail = slice(case["n"] - allowed, None)
            if not numpy.allclose(ours[:, tail], theirs[:, tail], rtol=1e-4, atol=1e-7):
                return numpy.argwhere(unequal)
            unequal[:, tail] = False
    return numpy.argwhere(unequal)


def main():
    build = os.environ.get("SWITCHYARD_BUILD_DIR")
    if not build:
        sys.exit("set SWITCHYARD_BUILD_DIR to a build folder")
    program = pathlib.Path(build) / "bin" / "adamw_replay"
    seed = 20261122
    random = numpy.random.default_rng(seed)
    failed = 0
    counts = {"torch": 0, "fused": 0}
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for case in grouped(list(cases())):
            failed += compare(program, work, case, random, counts)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, seed {seed}: "
          f"{counts['torch']} trajectories against the for-loop, {counts['fused']} against fused, {failed} differ")
    sys.exit(1 if failed or min(counts.values()) == 0 else 0)


def grouped(all_cases):
    """Small cases in one run of the program, each large one in a run of its own (memory)."""
    small = [c for c in all_cases if c["n"] <= 1100]
    return [small] + [[c] for c in all_cases if c["n"] > 1100]


def compare(program, work, group, random, counts):
    inputs = [make_inputs(case, random) for case in group]
    fields = ("lr", "beta1", "beta2", "eps", "weight_decay")
    (work / "cases").write_text("".join(
        f"{c['arithmetic']} {c['dtype']} {c['n']} {STEPS} {c['gradients']} " + " ".join(repr(c[f]) for f in fields)
        + f" {int(c['amsgrad'])} {int(c['maximize'])}\n" for c in group))
    with open(work / "in", "wb") as file:
        for param, grads in inputs:
            file.write(param.tobytes())
            file.write(grads.tobytes())
    subprocess.run([program, work / "cases", work / "in", work / "out"], check=True)
    failed = 0
    with open(work / "out", "rb") as file:
        for case, (param, grads) in zip(group, inputs):
            rows = 4 + (STEPS if case["n"] <= 1100 else 0)
            dtype = numpy.dtype(case["dtype"])
            ours = numpy.frombuffer(file.read(rows * case["n"] * dtype.itemsize), dtype).reshape(rows, case["n"])
            bad = differences(case, ours, torch_trajectory(case, param, grads))
            counts[case["arithmetic"]] += 1
            if len(bad):
                failed += 1
                print(f"{case}: {len(bad)} values differ, first at row {bad[0][0]} of {rows}, element {bad[0][1]}")
        if file.read(1):
            print("the program wrote more than was asked for")
            failed += 1
    return failed


if __name__ == "__main__":
    main()
