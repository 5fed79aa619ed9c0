"""Convert a `.keras` file to LiteRT files with float32 arithmetic.

`training.publishing.litert` runs this module in a process with the TensorFlow backend, since the
converter needs it whatever backend trained the network.
"""

import sys
from typing import Any


def convert(source: str, litert: str, explain: str, plain: str) -> None:
    """Write the file for predictions, that for explanations, and one to quantize.

    The weights of the first two have half precision if that loses nothing. Those of the last have
    float32, and it has the outputs of the first.
    """
    import keras
    import tensorflow as tf

    from training.networks.half import is_half
    from training.publishing.explain_outputs import add_explain_outputs, show_features

    network = keras.saving.load_model(source, compile=False, safe_mode=True)
    half: dict[str, Any] = {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "target_spec": {"supported_types": [tf.float16]},
    }
    options = half if is_half(network) else {}
    served = show_features(network)
    served.export(plain, format="litert", verbose=False)
    served.export(litert, format="litert", verbose=False, **options)
    add_explain_outputs(network).export(explain, format="litert", verbose=False, **options)


if __name__ == "__main__":
    convert(*sys.argv[1:])
