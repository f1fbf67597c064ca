"""What the adapters have in common: the layers of a network that multiply and accumulate, as nests of seven loops."""

import json
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Nest:
    """for k, c, p, q, r, s: output[k, p, q] += input[c, p * stride_y + r, q * stride_x + s] * weight[k, c, r, s]"""

    name: str
    k: int
    c: int
    p: int
    q: int
    r: int
    s: int
    stride_y: int
    stride_x: int
    repeat: int  # how often it runs: samples, steps, groups
    depthwise: bool = False  # c channels, each with k filters of its own

    @property
    def y(self):
        """Rows of the input with its padding."""
        return (self.p - 1) * self.stride_y + self.r

    @property
    def x(self):
        return (self.q - 1) * self.stride_x + self.s


class Unsupported(Exception):
    pass


def nest(layer):
    """The loops of one layer of an input.json, or None if it does not multiply and accumulate."""
    if layer["kind"] in ("fully_connected", "matmul"):
        rows, repeat = layer["out_height"] * layer["out_width"], layer["batch"] * layer["steps"]
        if layer["weight_operand"]:  # all samples read the same weights
            rows, repeat = rows * layer["batch"], layer["steps"]
        return Nest(layer["name"], layer["out_channels"], layer["in_channels"], rows, 1, 1, 1, 1, 1, repeat)
    if layer["kind"] == "transposed_conv":
        raise Unsupported(f"{layer['name']} is a transposed convolution")
    if layer["kind"] not in ("conv", "depthwise"):
        return None
    if layer["dilation"] != 1:
        raise Unsupported(f"{layer['name']} is dilated")
    depthwise = layer["kind"] == "depthwise"
    groups = layer["groups"]
    return Nest(
        layer["name"],
        layer["out_channels"] // groups,
        layer["in_channels"] if depthwise else layer["in_channels"] // groups,
        layer["out_height"],
        layer["out_width"],
        layer["kernel_height"],
        layer["kernel_width"],
        layer["stride_height"],
        layer["stride_width"],
        layer["batch"] * layer["steps"] * (1 if depthwise else groups),
        depthwise,
    )


def read_input(path):
    """(design, nests) of an input.json."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    return data["design"], [each for each in map(nest, data["workload"]["layers"]) if each]


def fail(message):
    """Ends the run as failed: the study's rule looks for this word."""
    print(f"ADAPTER: {message}", file=sys.stderr)
    sys.exit(1)
