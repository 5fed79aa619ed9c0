"""A `.keras` file -> the two LiteRT files, in a process with the TensorFlow backend.

`training.export` starts it; the converter is part of TensorFlow whatever backend trained
the network.
"""

import sys


def convert(source: str, litert: str, explain: str) -> None:
    """Write both files; weights and arithmetic stay float32.

    The one that is served computes with fewer multiplications and two and a half times the
    weights; the one that explains, which few requests need, stays small.
    """
    import keras

    from training.publishing.explain_outputs import show_inside
    from training.publishing.optimize import fused

    network = keras.saving.load_model(source, compile=False, safe_mode=True)
    fused(network).export(litert, format="litert", verbose=False)
    show_inside(network).export(explain, format="litert", verbose=False)


if __name__ == "__main__":
    convert(*sys.argv[1:])
