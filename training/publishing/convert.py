"""Convert a `.keras` file to the two LiteRT files.

`training.publishing.litert` runs this module in a process with the TensorFlow backend, since the
converter needs it whatever backend trained the network.
"""

import sys
from typing import Any


def convert(source: str, litert: str, explain: str) -> None:
    """Write both LiteRT files, with float32 weights and arithmetic.

    Only the file for predictions is optimized: it gets faster, but its weights get larger. The file
    for explanations, which few requests need, stays small; its weights have half precision if that
    loses nothing.
    """
    import keras
    import tensorflow as tf

    from training.networks.half import is_half
    from training.publishing.explain_outputs import add_explain_outputs, show_features
    from training.publishing.optimize import optimize

    network = keras.saving.load_model(source, compile=False, safe_mode=True)
    show_features(optimize(network)).export(litert, format="litert", verbose=False)
    half: dict[str, Any] = {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "target_spec": {"supported_types": [tf.float16]},
    }
    options = half if is_half(network) else {}
    add_explain_outputs(network).export(explain, format="litert", verbose=False, **options)


if __name__ == "__main__":
    convert(*sys.argv[1:])
