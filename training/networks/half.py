"""Round weights to half precision where this loses nothing that matters, to make files smaller.

Half-precision numbers have 11 significant bits. A network whose weights are all such numbers, in
float32 files, is computed in float32 as before, and its file for explanations can store 2 bytes for
each weight without answering differently.
"""

import keras
import numpy as np

_LARGEST = 65504.0  # of half precision


def round_to_half(network: keras.Model) -> None:
    """Round all weights to the nearest numbers of half precision; they stay float32.

    Networks with batch normalisation stay as they are: the converter multiplies their weights, and
    the products are no such numbers.
    """
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers):
        return
    weights = network.get_weights()
    if all(np.abs(weight).max(initial=0) <= _LARGEST for weight in weights):
        network.set_weights([w.astype(np.float16).astype(np.float32) for w in weights])


def is_half(network: keras.Model) -> bool:
    """Tell whether all weights are numbers of half precision."""
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers):
        return False
    return all(
        np.array_equal(weight, weight.astype(np.float16).astype(np.float32))
        for weight in network.get_weights()
    )
