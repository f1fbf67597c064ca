#!/usr/bin/env python3
"""One run of Timeloop's mapper on a network: run.py INPUT_JSON ARCHITECTURE MAPPER, in an empty folder.

$TIMELOOP_MAPPER is the program (timeloop-mapper). Prints one JSON object: sums over the layers, each mapped on its own.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from layers import Unsupported, fail, read_input

PROBLEM = """problem:
  shape:
    name: nest
    dimensions: [C, K, R, S, N, P, Q]
    coefficients:
    - {{name: Wstride, default: 1}}
    - {{name: Hstride, default: 1}}
    data_spaces:
    - name: Weights
      projection: [[[C]], [[K]], [[R]], [[S]]]
    - name: Inputs
      projection: [[[N]], [[C]], [[R], [P, Hstride]], [[S], [Q, Wstride]]]
    - name: Outputs
      projection: [[[N]], [[K]], [[Q]], [[P]]]
      read_write: True
  instance: {{C: {c}, K: {k}, R: {r}, S: {s}, N: 1, P: {p}, Q: {q}, Hstride: {stride_y}, Wstride: {stride_x}}}
"""

# The summary at the end of the statistics.
STATISTICS = {
    "cycles": re.compile(r"^Cycles: (\d+)$", re.MULTILINE),
    "energy_uj": re.compile(r"^Energy: ([0-9.e+-]+) uJ$", re.MULTILINE),
    "area_mm2": re.compile(r"^Area: ([0-9.e+-]+) mm\^2$", re.MULTILINE),
}


def map_layer(program, folder, problem):
    """The statistics of one problem; None if the mapper finds no mapping."""
    folder.mkdir()
    (folder / "problem.yaml").write_text(problem, encoding="utf-8")
    command = [program, sys.argv[2], sys.argv[3], str(folder / "problem.yaml"), "-o", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    statistics = folder / "timeloop-mapper.stats.txt"
    if statistics.exists() and statistics.stat().st_size > 0:
        text = statistics.read_text(encoding="utf-8")
        found = {name: pattern.search(text) for name, pattern in STATISTICS.items()}
        if all(found.values()):
            return {name: float(match[1]) for name, match in found.items()}
    if "no valid mappings found" in done.stdout:  # with exit code 0
        return None
    print(done.stdout[-2000:], file=sys.stderr)
    return fail(f"Timeloop ended with {done.returncode} and no statistics for {folder.name}")


def main():
    program = os.environ.get("TIMELOOP_MAPPER", "timeloop-mapper")
    try:
        nests = read_input(sys.argv[1])[1]
    except Unsupported as error:
        fail(f"Timeloop is not given it: {error}")
    known, total = {}, {"cycles": 0, "energy_uj": 0, "area_mm2": 0}
    for nest in nests:
        # Channels of a depthwise layer share nothing: one after the other.
        problem = PROBLEM.format(c=1 if nest.depthwise else nest.c, k=nest.k, r=nest.r, s=nest.s, p=nest.p, q=nest.q,
                                 stride_x=nest.stride_x, stride_y=nest.stride_y)
        if problem not in known:
            try:
                known[problem] = map_layer(program, Path(f"layer{len(known)}"), problem)
            except OSError as error:
                fail(f"cannot run {program}: {error}")
        if known[problem] is None:
            print(f"no mapping for {nest.name}")
            return
        times = nest.repeat * (nest.c if nest.depthwise else 1)
        total["cycles"] += times * known[problem]["cycles"]
        total["energy_uj"] += times * known[problem]["energy_uj"]
        total["area_mm2"] = max(total["area_mm2"], known[problem]["area_mm2"])
    print(json.dumps(total))


if __name__ == "__main__":
    main()
