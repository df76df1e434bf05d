"""The arithmetic of bench/step.py and bench/instructions.py: ratios, tables, plots, verdicts. Nothing is timed."""
import importlib.util
import os
import pathlib
import xml.etree.ElementTree

source = pathlib.Path(os.environ["SWITCHYARD_SOURCE_DIR"])


def load(name):
    spec = importlib.util.spec_from_file_location(name, source / "bench" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


step, instructions = load("step"), load("instructions")

# Ratio first: above 1 ours is faster; quartiles are of the repetitions' own ratios.
made = step.summary([1.0, 2.0, 4.0], [3.0, 3.0, 3.0])
assert made["ratio"] == 1.5 and made["ours_s"] == 2.0 and made["peer_s"] == 3.0
assert made["low"] <= 1.5 <= made["high"]
slower = step.summary([2.0] * 4, [1.0] * 4)
assert slower["ratio"] == 0.5 and slower["low"] == slower["high"] == 0.5

common = {"processor": "P", "extensions": "avx2", "torch": "2.11.0", "threads": 2, "copy_gbs": 40.0, "sgemm_gflops": 180.0}
lines = [{"workload": "adamw_large", "peer": "fused", "bfloat16": False, "copy_fraction": 0.8, **made, **common},
         {"workload": "muon_gpt2", "peer": "torch.optim.Muon", "bfloat16": True, **slower, **common}]
text = step.table(lines)
assert "| adamw_large | fused | **1.50** |" in text and "| 1.1 |" in text
assert "| muon_gpt2 | torch.optim.Muon | **0.50** |" in text and "| 2 |" in text  # the target with bfloat16 in hardware
assert "80% of what a copy does" in text and "P (avx2), 2 threads, torch 2.11.0" in text
lines[1]["bfloat16"] = False
assert "| 15 |" in step.table(lines)
picture = xml.etree.ElementTree.fromstring(step.plot(lines))
bars = [e for e in picture.iter() if e.tag.endswith("rect")]
assert len(bars) == 2 and bars[0].get("fill") != bars[1].get("fill")  # met, and not met
assert float(bars[0].get("x")) >= float(bars[1].get("x")) + float(bars[1].get("width")) - 1e-6  # on either side of 1

assert instructions.instructions_of("events: Ir\nsummary: 0\n1 2\ntotals: 12345\n") == 12345
assert instructions.verdict(100, 100) == "" and instructions.verdict(109, 100) == "" and instructions.verdict(91, 100) == ""
assert "more than" in instructions.verdict(111, 100)
assert "less than" in instructions.verdict(89, 100)
for shapes, _ in step.workloads().values():
    assert all(1 <= len(s) <= 2 for s in shapes)
print("ratios, tables, plots and verdicts hold")
