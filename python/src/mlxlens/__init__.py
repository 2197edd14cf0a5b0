"""Runs the program mlxlens, which this package carries: a logit lens, and experiments, on Apple's MLX.

The program is a binary. It finds libmlxc beside itself, and that finds MLX in the package mlx-cpu or mlx-metal, so that this module
only hands over to it.
"""

import os
import sys

#: The program's path.
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "mlxlens")


def main():
    """Become the program, with this process's arguments."""
    os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])
