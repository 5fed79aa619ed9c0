"""Convert a backbone to a LiteRT file that computes features.

`training.transfer.features` runs this module in a process with the TensorFlow backend, since the
converter needs it whatever backend trains the network.
"""

import sys
from pathlib import Path


def export_features(name: str, side: int, weights: str | None, destination: Path) -> None:
    """Write the LiteRT file: pixels float32 (1, side, side, 3) -> features float32 (1, n)."""
    from training.networks.backbones import build_backbone, build_features

    network = build_features(build_backbone(name, 2, side, weights))
    network.export(str(destination), format="litert", verbose=False)


if __name__ == "__main__":
    export_features(sys.argv[1], int(sys.argv[2]), sys.argv[3] or None, Path(sys.argv[4]))
