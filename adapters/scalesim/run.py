#!/usr/bin/env python3
"""One run of SCALE-Sim v3 on a network: run.py INPUT_JSON CONFIG, in an empty folder.

$SCALESIM is the folder of its sources. Leaves out/corbel/COMPUTE_REPORT.csv and its like."""

import csv
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from layers import Unsupported, fail, read_input

NO_LAYOUT = """Layer name, IFMAP Height Intraline Factor,
"""


def topology(nests):
    """(its text, how many layers SCALE-Sim makes of it)"""
    lines = ["Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides, Sparsity,"]
    rows = 0
    for i, nest in enumerate(nests):
        if nest.stride_y != nest.stride_x:
            fail(f"{nest.name} has two strides, and SCALE-Sim one")
        # A name with DP stands for one layer per channel.
        name = f"{'DP' if nest.depthwise else 'L'}{i}"
        line = f"{name}, {nest.y}, {nest.x}, {nest.r}, {nest.s}, {nest.c}, {nest.k}, {nest.stride_y}, 1:1,"
        lines += [line] * nest.repeat
        rows += nest.repeat * (nest.c if nest.depthwise else 1)
    return "\n".join(lines) + "\n", rows


def main():
    home = os.environ.get("SCALESIM", "")
    if not Path(home, "scalesim", "scale.py").exists():
        fail(f"there is no SCALE-Sim in {home or '$SCALESIM, which is not set'}")
    try:
        text, rows = topology(read_input(sys.argv[1])[1])
    except Unsupported as error:
        fail(f"SCALE-Sim cannot run it: {error}")
    Path("topology.csv").write_text(text, encoding="utf-8")
    # It wants the file to be there, and reads it only where the configuration asks for custom layouts.
    Path("layout.csv").write_text(NO_LAYOUT, encoding="utf-8")
    command = [sys.executable, "-m", "scalesim.scale", "-c", sys.argv[2], "-t", "topology.csv", "-l", "layout.csv",
               "-p", "out", "-s", "N"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": home}, check=False)
    if done.returncode != 0:
        fail(f"SCALE-Sim ended with {done.returncode}")
    report = Path("out/corbel/COMPUTE_REPORT.csv")
    if not report.exists():
        fail("SCALE-Sim wrote no report")  # it exits with 0 all the same
    with report.open(encoding="utf-8", newline="") as file:
        found = sum(1 for _ in csv.reader(file)) - 1
    if found != rows:
        fail(f"SCALE-Sim reports {found} layers of {rows}")


if __name__ == "__main__":
    main()
