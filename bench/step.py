#!/usr/bin/env python3
"""One step of ours beside torch's optimizers, strictly alternating in one process.

usage: step.py LIBRARY [--quick] [--threads N] [--only WORKLOAD,...] [--out FILE.jsonl]
       step.py --table FILE.jsonl [--plot FILE.svg]

LIBRARY is bench_step's shared library (bench/step_library.cpp): it is loaded beside torch, so both use one LibTorch, one
pool of threads and equal random data in memory of their own; gradients rotate over three buffers. A repetition takes a
step of each in turn. Printed first is the ratio of medians, peer / ours: above 1 ours is faster. Its quartiles are those
of the ratios of the repetitions. copy and sgemm are measured in the same run.
"""
import argparse
import ctypes
import json
import pathlib
import statistics
import time

BUFFERS = 3
TARGETS = {  # of the project's own table; shown beside what was measured
    "adamw_large/fused": 1.1, "adamw_large/foreach": 4.5, "adamw_large/for-loop": 5.0, "adamw_small/fused": 8.0,
    "adamw_small/foreach": 25.0, "adamw_tiny/fused": 10.0, "muon_gpt2/torch.optim.Muon": 15.0,
    "muon_gpt2/fp32 products": 1.6, "mixture/batched bmm": 1.6, "gpt_step/torch.optim.Muon + AdamW": 2.5}
TARGETS_BFLOAT16 = {"muon_gpt2/torch.optim.Muon": 2.0, "mixture/batched bmm": 3.5}
JORDAN = (3.4445, -4.7750, 2.0315)


# ---- Arithmetic on repetitions, and what is made of the lines. No torch here: the test of this file runs it.

def summary(ours: list, theirs: list) -> dict:
    """Medians in seconds, their ratio, and quartiles of the ratios of the repetitions."""
    ratios = sorted(t / o for o, t in zip(ours, theirs))
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    ours_s, peer_s = statistics.median(ours), statistics.median(theirs)
    return {"ratio": peer_s / ours_s, "low": low, "high": high, "ours_s": ours_s, "peer_s": peer_s}


def target_of(line: dict):
    key = f"{line['workload']}/{line['peer']}"
    if line.get("bfloat16") and key in TARGETS_BFLOAT16:
        return TARGETS_BFLOAT16[key]
    return TARGETS.get(key)


def table(lines: list) -> str:
    rows = ["| workload | against | ratio | quartiles | target |", "| --- | --- | ---: | ---: | ---: |"]
    for line in lines:
        target = target_of(line)
        rows.append(f"| {line['workload']} | {line['peer']} | **{line['ratio']:.2f}** | {line['low']:.2f} to "
                    f"{line['high']:.2f} | {'' if target is None else f'{target:g}'} |")
    first = lines[0]
    rows.append("")
    rows.append(f"{first['processor']} ({first['extensions']}), {first['threads']} threads, torch {first['torch']}; copy "
                f"{first['copy_gbs']:.1f} GB/s, sgemm {first['sgemm_gflops']:.0f} GFLOP/s in the same run.")
    for line in lines:
        if "copy_fraction" in line:
            rows.append(f"{line['workload']} moves {line['copy_fraction']:.0%} of what a copy does.")
            break
    return "\n".join(rows) + "\n"


def plot(lines: list) -> str:
    """Horizontal bars on a logarithmic axis of ratios, with a mark at each target."""
    import math
    left, width, row, top = 300, 420, 26, 40
    most = max([line["ratio"] for line in lines] + [target_of(line) or 1 for line in lines]) * 1.15
    least = min([1.0] + [line["ratio"] for line in lines]) / 1.15
    x = lambda ratio: left + width * (math.log(ratio / least) / math.log(most / least))
    height = top + row * len(lines) + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 80}" height="{height}" '
           f'font-family="sans-serif" font-size="12">',
           f'<text x="8" y="18">Step time of the peer / ours (above 1 ours is faster); {lines[0]["processor"]}, '
           f'{lines[0]["threads"]} threads, torch {lines[0]["torch"]}</text>',
           f'<line x1="{x(1):.1f}" y1="{top - 8}" x2="{x(1):.1f}" y2="{height - 24}" stroke="#333"/>']
    for i, line in enumerate(lines):
        y = top + row * i
        begin, end = sorted((x(1), x(line["ratio"])))
        good = target_of(line) is None or line["ratio"] >= target_of(line)
        out.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{line["workload"]} / {line["peer"]}</text>')
        out.append(f'<rect x="{begin:.1f}" y="{y}" width="{max(end - begin, 1):.1f}" height="18" '
                   f'fill="{"#3a7d44" if good else "#b5523b"}"/>')
        if target_of(line) is not None:
            at = x(target_of(line))
            out.append(f'<line x1="{at:.1f}" y1="{y - 3}" x2="{at:.1f}" y2="{y + 21}" stroke="#000" stroke-width="2"/>')
        out.append(f'<text x="{max(end, x(1)) + 6:.1f}" y="{y + 13}">{line["ratio"]:.2f}</text>')
    out.append(f'<text x="{left}" y="{height - 8}">bars: measured ratio; black marks: targets; logarithmic axis</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


# ---- Measuring.

class Ours:
    """Our optimizer over tensors of the caller."""

    def __init__(self, library, tensors, matrices, dtype=b"float32", clip=0.0):
        self.library, self.keep = library, tensors
        count = len(tensors)
        data = (ctypes.c_void_p * count)(*[t.data_ptr() for t in tensors])
        ndim = (ctypes.c_int64 * count)(*[t.dim() for t in tensors])
        sizes = (ctypes.c_int64 * (2 * count))()
        for i, t in enumerate(tensors):
            for d in range(t.dim()):
                sizes[2 * i + d] = t.shape[d]
        muon = bytes(1 if m else 0 for m in matrices)
        self.handle = library.step_open(count, data, ndim, sizes, muon, dtype, clip)
        if not self.handle:
            raise SystemExit("step: " + library.step_error().decode())

    def gradients(self, tensors):
        data = (ctypes.c_void_p * len(tensors))(*[t.data_ptr() for t in tensors])
        self.library.step_gradients(self.handle, data)

    def step(self):
        if self.library.step_step(self.handle) != 1:
            raise SystemExit("step: " + self.library.step_error().decode())

    def close(self):
        self.library.step_close(self.handle)


def load(path):
    library = ctypes.CDLL(path)
    library.step_open.restype = ctypes.c_void_p
    library.step_open.argtypes = [ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p,
                                  ctypes.c_char_p, ctypes.c_double]
    library.step_error.restype = ctypes.c_char_p
    for name in ("step_gradients", "step_step", "step_close"):
        getattr(library, name).argtypes = [ctypes.c_void_p] + ([ctypes.c_void_p] if name == "step_gradients" else [])
    return library


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    field = lambda name: next((l.split(":", 1)[1].strip() for l in text.splitlines() if l.startswith(name)), "?")
    flags = field("flags").split()
    known = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
    return field("model name"), " ".join(known) or "none", "avx512_bf16" in flags or "amx_bf16" in flags


def alternate(repetitions, prepare, ours, peer, warm=2):
    a, b = [], []
    for i in range(repetitions + warm):
        prepare(i)
        times = []
        for call in ((ours, peer) if i % 2 == 0 else (peer, ours)):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        if i % 2:
            times.reverse()
        if i >= warm:
            a.append(times[0])
            b.append(times[1])
    return summary(a, b)


def products(torch, stack, steps=5):
    """The plain loop of products: Newton-Schulz as everybody writes it. stack: [..., m, n]."""
    a, b, c = JORDAN
    x = stack.mT if stack.size(-2) > stack.size(-1) else stack
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        if x.dim() == 2:
            x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
        else:
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if stack.size(-2) > stack.size(-1) else x


class LoopMuon:
    """Muon in float32 by the plain loop, one matrix after the other, or batched over equal shapes."""

    def __init__(self, torch, tensors, batched):
        self.torch, self.tensors, self.batched = torch, tensors, batched
        self.momentum = [torch.zeros_like(t) for t in tensors]

    def step(self):
        torch = self.torch
        with torch.no_grad():
            groups = {}
            for p, m in zip(self.tensors, self.momentum):
                m.lerp_(p.grad, 0.05)
                update = p.grad.lerp(m, 0.95)
                if self.batched:
                    groups.setdefault(tuple(p.shape), []).append((p, update))
                else:
                    p.mul_(1 - 1e-4).add_(products(torch, update), alpha=-1e-3)
            for shape, members in groups.items():
                out = products(torch, torch.stack([u for _, u in members]))
                for (p, _), u in zip(members, out):
                    p.mul_(1 - 1e-4).add_(u, alpha=-1e-3)


class Both:
    """torch.optim.Muon for matrices and fused AdamW for the rest, after clip_grad_norm_."""

    def __init__(self, torch, tensors, matrices):
        self.torch, self.tensors = torch, tensors
        self.muon = torch.optim.Muon([t for t, m in zip(tensors, matrices) if m], lr=1e-3)
        self.adamw = torch.optim.AdamW([t for t, m in zip(tensors, matrices) if not m], lr=1e-3, fused=True)

    def step(self):
        self.torch.nn.utils.clip_grad_norm_(self.tensors, 1.0)
        self.muon.step()
        self.adamw.step()


def workloads():
    generator = __import__("random").Random(7)
    layer = [(2304, 768), (768, 768), (3072, 768), (768, 3072)]
    wide = 128  # the example GPT: 4 layers
    gpt = [(256, wide), (128, wide)] + [(3 * wide, wide), (wide, wide), (4 * wide, wide), (wide, 4 * wide), (wide,),
                                        (wide,)] * 4 + [(wide,)]
    return {
        "adamw_large": ([(4096, 1024)], "adamw"),
        "adamw_small": ([(generator.randint(64, 4096),) for _ in range(1000)], "adamw"),
        "adamw_tiny": ([(1,)] * 1000, "adamw"),
        "muon_gpt2": (layer * 3, "muon"),
        "mixture": ([(320, 128)] * 200 + [(128, 320)] * 100 + [(128, 128)] * 24 + [(32, 128)] * 24, "mixture"),
        "gpt_step": (gpt, "gpt"),
    }


def peers(torch, kind):
    adamw = lambda **how: lambda tensors, _: torch.optim.AdamW(tensors, lr=1e-3, **how)
    if kind == "adamw":
        return {"fused": adamw(fused=True), "foreach": adamw(foreach=True), "for-loop": adamw(foreach=False)}
    if kind == "muon":
        return {"torch.optim.Muon": lambda tensors, _: torch.optim.Muon(tensors, lr=1e-3),
                "fp32 products": lambda tensors, _: LoopMuon(torch, tensors, batched=False)}
    if kind == "mixture":
        return {"batched bmm": lambda tensors, _: LoopMuon(torch, tensors, batched=True)}
    return {"torch.optim.Muon + AdamW": lambda tensors, matrices: Both(torch, tensors, matrices)}


def measure(options):
    import torch
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    library = load(options.library)
    library.step_threads(options.threads)
    name, extensions, bfloat16 = processor()
    source, to = torch.randn(1 << 24), torch.empty(1 << 24)
    square = torch.randn(1024, 1024)
    best = lambda count, call: min(timed(call) for _ in range(count))

    def timed(call):
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    copy_gbs = 2 * source.nbytes / best(9, lambda: to.copy_(source)) / 1e9
    sgemm = 2 * 1024 ** 3 / best(9, lambda: square @ square) / 1e9
    common = {"processor": name, "extensions": extensions, "bfloat16": bfloat16, "torch": torch.__version__,
              "threads": options.threads, "copy_gbs": copy_gbs, "sgemm_gflops": sgemm}
    lines = []
    for workload, (shapes, kind) in workloads().items():
        if options.only and workload not in options.only.split(","):
            continue
        matrices = [kind != "adamw" and len(s) == 2 and not (kind == "gpt" and i < 2) for i, s in enumerate(shapes)]
        for peer, make in peers(torch, kind).items():
            fresh = lambda: [torch.randn(s) * 0.02 for s in shapes]
            mine, yours = fresh(), [t.requires_grad_() for t in fresh()]
            gradients = [[torch.randn(s) * 0.01 for s in shapes] for _ in range(BUFFERS)]
            # torch.optim.Muon iterates in bfloat16: beside it ours takes what this machine is fast at.
            dtype = b"bfloat16" if bfloat16 and "fp32" not in peer else b"float32"
            ours = Ours(library, mine, matrices, dtype, 1.0 if kind == "gpt" else 0.0)
            other = make(yours, matrices)

            def prepare(i):
                ours.gradients(gradients[i % BUFFERS])
                for t, g in zip(yours, gradients[i % BUFFERS]):
                    t.grad = g.clone() if kind == "gpt" else g  # clipping writes torch's gradients

            heavy = kind in ("muon", "mixture")
            count = (5 if heavy else 9) if options.quick else (15 if heavy else 61)
            warm = 2
            if peer == "torch.optim.Muon" and not bfloat16:
                if options.quick:
                    print(f"  skipped  {workload} against {peer}: its bfloat16 takes minutes on this processor", flush=True)
                    ours.close()
                    continue
                count, warm = 1, 0
            line = {"workload": workload, "peer": peer, "ours_dtype": dtype.decode(),
                    **alternate(count, prepare, ours.step, other.step, warm), **common}
            if workload == "adamw_large":
                line["copy_fraction"] = 7 * 4 * 4096 * 1024 / line["ours_s"] / 1e9 / copy_gbs
            ours.close()
            lines.append(line)
            print(f"{line['ratio']:8.2f} x  [{line['low']:.2f}, {line['high']:.2f}]  {workload} against {peer}: ours "
                  f"{line['ours_s'] * 1e3:.3f} ms, peer {line['peer_s'] * 1e3:.3f} ms"
                  + (f", {line['copy_fraction']:.0%} of the copy rate" if "copy_fraction" in line else ""), flush=True)
    if options.out:
        pathlib.Path(options.out).write_text("".join(json.dumps(line) + "\n" for line in lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", nargs="?")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--out")
    parser.add_argument("--table")
    parser.add_argument("--plot")
    options = parser.parse_args()
    if options.table:
        lines = [json.loads(l) for l in pathlib.Path(options.table).read_text().splitlines()]
        print(table(lines), end="")
        if options.plot:
            pathlib.Path(options.plot).write_text(plot(lines))
    elif options.library:
        measure(options)
    else:
        parser.error("give LIBRARY or --table")


if __name__ == "__main__":
    main()
