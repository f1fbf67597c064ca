#!/usr/bin/env python3
"""One run of MAESTRO on a network: run.py INPUT_JSON, in an empty folder.

$MAESTRO is the program. Leaves network.csv, one row per layer, and what it printed about buffers on standard output."""

import csv
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from layers import Unsupported, fail, read_input

# Mappings as MAESTRO's language writes them; P channels share a cluster, T filters stay in each.
DATAFLOWS = {
    "kcp_ws": [
        "SpatialMap({T},{T}) K", "TemporalMap({P},{P}) C", "TemporalMap(Sz(R),Sz(R)) R", "TemporalMap(Sz(S),Sz(S)) S",
        "TemporalMap(Sz(R),1) Y", "TemporalMap(Sz(S),1) X", "Cluster({P}, P)", "SpatialMap(1,1) C",
        "TemporalMap(Sz(R),1) Y", "TemporalMap(Sz(S),1) X", "TemporalMap(Sz(R),Sz(R)) R", "TemporalMap(Sz(S),Sz(S)) S",
    ],
    "ckp_ws": [
        "SpatialMap({T},{T}) C", "TemporalMap({P},{P}) K", "TemporalMap(Sz(R),Sz(R)) R", "TemporalMap(Sz(S),Sz(S)) S",
        "TemporalMap(Sz(R),1) Y", "TemporalMap(Sz(S),1) X", "Cluster({P}, P)", "SpatialMap(1,1) K",
        "TemporalMap(Sz(R),1) Y", "TemporalMap(Sz(S),1) X", "TemporalMap(Sz(R),Sz(R)) R", "TemporalMap(Sz(S),Sz(S)) S",
    ],
}
DEPTHWISE = ["SpatialMap(1,1) C", "TemporalMap(Sz(R),1) Y", "TemporalMap(Sz(S),1) X", "TemporalMap(Sz(R),Sz(R)) R",
             "TemporalMap(Sz(S),Sz(S)) S"]


def network(design, nests):
    """(the mapping file's text, its layers)"""
    blocks, rows = [], 0
    for i, nest in enumerate(nests):
        mapping = DEPTHWISE if nest.depthwise else DATAFLOWS[design["dataflow"]]
        lines = "".join(f"\t\t\t{line.format(P=design['tile_p'], T=design['tile_t'])};\n" for line in mapping)
        k = 1 if nest.depthwise else nest.k
        for repetition in range(nest.repeat * (nest.k if nest.depthwise else 1)):
            rows += 1
            blocks.append(
                f"\tLayer L{i}_{repetition} {{\n\t\tType: {'DSCONV' if nest.depthwise else 'CONV'}\n"
                f"\t\tStride {{ X: {nest.stride_x}, Y: {nest.stride_y} }}\n"
                f"\t\tDimensions {{ K: {k}, C: {nest.c}, R: {nest.r}, S: {nest.s}, Y: {nest.y}, X: {nest.x} }}\n"
                f"\t\tDataflow {{\n{lines}\t\t}}\n\t}}\n")
    return "Network corbel {\n" + "\n".join(blocks) + "}\n", rows


def main():
    program = os.environ.get("MAESTRO", "")
    if not os.access(program, os.X_OK):
        fail(f"there is no program {program or '$MAESTRO, which is not set'}")
    try:
        design, nests = read_input(sys.argv[1])
    except Unsupported as error:
        fail(f"MAESTRO cannot run it: {error}")
    if design["dataflow"] not in DATAFLOWS:
        fail(f"no mapping is written for the dataflow {design['dataflow']}")
    text, rows = network(design, nests)
    Path("network.m").write_text(text, encoding="utf-8")
    # Of an absolute path it would write no CSV, and without --print_res it does not say whether the layers fit.
    command = [program, "--Mapping_file=network.m", "--print_res=true", "--print_res_csv_file=true",
               "--print_log_file=false", f"--num_pes={design['num_pes']}", f"--num_simd_lanes={design['simd']}",
               f"--noc_bw={design['noc_bw']}", f"--offchip_bw={design['offchip_bw']}",
               f"--l1_size={design['l1_bytes']}", f"--l2_size={design['l2_bytes']}"]
    done = subprocess.run(command, check=False)
    if done.returncode < 0:
        # So that the study's rules see the signal: it divides by zero where a cluster has more members than there are PEs.
        sys.stdout.flush()
        os.kill(os.getpid(), -done.returncode)
    if done.returncode != 0:
        fail(f"MAESTRO ended with {done.returncode}")
    report = Path("network.csv")
    if not report.exists() or report.stat().st_size == 0:
        fail("MAESTRO wrote no results")
    with report.open(encoding="utf-8", newline="") as file:
        found = sum(1 for _ in csv.reader(file)) - 1
    if found != rows:
        fail(f"MAESTRO reports {found} layers of {rows}")


if __name__ == "__main__":
    main()
