"""Muon with torch's options against an independent NumPy port, and against torch.optim.Muon itself.

The port iterates in float64. Over 20 steps float64 parameters must agree to 1e-10, float32 ones to 1e-5 (relative Frobenius,
at every step). torch.optim.Muon iterates in bfloat16, whose rounding alone turns an update by 10 to 25 %; over 20 steps the
total movement must agree to 0.15 with cosine 0.98 or more.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch

STEPS = 20
OPTIONS = dict(lr=0.02, momentum=0.95, nesterov=True, weight_decay=0.1)
SHAPES = [(5, 7), (7, 5), (16, 16), (64, 128), (128, 64), (1, 8), (8, 1), (33, 65)]
SCALES = {"spectral": "original", "match_rms_adamw": "match_rms_adamw"}  # ours: torch's name
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def cases():
    for scale in SCALES:
        for shape in SHAPES:
            for dtype, iteration in (("float64", "float64"), ("float32", "float64"), ("float32", "float32"), ("float32", "bfloat16")):
                yield dict(dtype=dtype, iteration=iteration, shape=shape, scale=scale, **OPTIONS)
    yield dict(dtype="float64", iteration="float64", shape=(16, 16), scale="spectral", **{**OPTIONS, "nesterov": False})


def port(case, param, grads):
    """The rule of torch.optim.Muon in float64, from its documentation."""
    a, b, c = COEFFICIENTS
    rows, columns = case["shape"]
    factor = max(1.0, rows / columns) ** 0.5 if case["scale"] == "spectral" else 0.2 * max(rows, columns) ** 0.5
    p = param.astype(numpy.float64)
    average = numpy.zeros_like(p)
    parts = []
    for g in grads.astype(numpy.float64):
        average = case["momentum"] * average + (1 - case["momentum"]) * g
        x = case["momentum"] * average + (1 - case["momentum"]) * g if case["nesterov"] else average
        tall = rows > columns
        x = x.T if tall else x
        x = x / max(numpy.linalg.norm(x), 1e-7)
        for _ in range(5):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        x = x.T if tall else x
        p = p * (1 - case["lr"] * case["weight_decay"]) - case["lr"] * factor * x
        parts.append(p)
    return numpy.stack(parts)


movements = {}  # of torch, by shape and scale: the inputs are the same for all iteration dtypes


def torch_movement(case, param, grads):
    key = (case["shape"], case["scale"])
    if key not in movements:
        movements[key] = torch_muon(case, param, grads) - param.astype(numpy.float64)
    return movements[key]


def torch_muon(case, param, grads):
    p = torch.nn.Parameter(torch.from_numpy(param.astype(numpy.float32)))
    optimizer = torch.optim.Muon([p], lr=case["lr"], weight_decay=case["weight_decay"], momentum=case["momentum"],
                                 nesterov=case["nesterov"], adjust_lr_fn=SCALES[case["scale"]])
    for g in grads:
        p.grad = torch.from_numpy(g.astype(numpy.float32))
        optimizer.step()
    return p.detach().double().numpy()


def apart(a, b):
    return numpy.linalg.norm(a - b) / numpy.linalg.norm(b)


def check(case, param, grads, ours):
    """What is wrong with this trajectory, as texts."""
    problems = []
    ours = ours.astype(numpy.float64)
    expected = port(case, param, grads)
    start = param.astype(numpy.float64)
    if case["iteration"] != "bfloat16":
        tolerance = 1e-10 if case["dtype"] == "float64" else 1e-5
        worst = max(apart(x, y) for x, y in zip(ours, expected))
        if not worst <= tolerance:
            problems.append(f"{worst:.2e} away from the port, allowed {tolerance}")
    if case["dtype"] == "float32":
        theirs = torch_movement(case, param, grads)
        moved = ours[-1] - start
        cosine = (moved * theirs).sum() / (numpy.linalg.norm(moved) * numpy.linalg.norm(theirs))
        distance = apart(moved, theirs)
        if not (distance <= 0.15 and cosine >= 0.98):
            problems.append(f"movement {distance:.3f} away from torch.optim.Muon's, cosine {cosine:.4f}")
    return problems


def main():
    build = os.environ.get("SWITCHYARD_BUILD_DIR")
    if not build:
        sys.exit("set SWITCHYARD_BUILD_DIR to a build folder")
    seed = 20261125
    random = numpy.random.default_rng(seed)
    everything = list(cases())
    inputs = []
    drawn = {shape: (random.uniform(-1, 1, shape), random.uniform(-1, 1, (STEPS, *shape))) for shape in SHAPES}
    for case in everything:
        inputs.append([values.astype(case["dtype"]) for values in drawn[case["shape"]]])
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "cases").write_text("".join(
            f"{c['dtype']} {c['iteration']} {c['shape'][0]} {c['shape'][1]} {STEPS} {c['lr']!r} {c['momentum']!r} {int(c['nesterov'])} "
            f"{c['weight_decay']!r} {c['scale']}\n" for c in everything))
        with open(work / "in", "wb") as file:
            for param, grads in inputs:
                file.write(param.tobytes())
                file.write(grads.tobytes())
        subprocess.run([pathlib.Path(build) / "bin" / "muon_replay", work / "cases", work / "in", work / "out"], check=True)
        with open(work / "out", "rb") as file:
            for case, (param, grads) in zip(everything, inputs):
                ours = numpy.frombuffer(file.read(STEPS * param.nbytes), param.dtype).reshape(STEPS, *param.shape)
                for problem in check(case, param, grads, ours):
                    failed += 1
                    print(f"{case}: {problem}")
            if file.read(1):
                sys.exit("the program wrote more than was asked for")
    print(f"torch {torch.__version__}, seed {seed}: {len(everything)} trajectories of {STEPS} steps, {failed} problems")
    sys.exit(1 if failed or not everything else 0)


if __name__ == "__main__":
    main()
