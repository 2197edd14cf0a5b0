"""What differs between the platforms' wheels: the tag, and the packages that hold MLX and a BLAS.

tools/wheel/build.sh sets MLXLENS_WHEEL_PLATFORM and MLXLENS_WHEEL_VERSION.
"""

import os

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PLATFORM = os.environ["MLXLENS_WHEEL_PLATFORM"]

# The library in the wheel was compiled against this release of MLX. Linux's has a slow BLAS, so a fast one comes too.
MLX = "0.32.2"
DEPENDENCIES = (
    [f"mlx-metal=={MLX}"]
    if PLATFORM.startswith("macosx")
    else [f"mlx-cpu=={MLX}", "scipy-openblas32>=0.3.28"]
)


class Metadata(MetadataHookInterface):
    PLUGIN_NAME = "custom"

    def update(self, metadata):
        metadata["version"] = os.environ["MLXLENS_WHEEL_VERSION"]
        metadata["dependencies"] = DEPENDENCIES


class Build(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version, build_data):
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{PLATFORM}"
