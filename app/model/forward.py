"""What an engine returns for a batch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# The names of the outputs of a network that shows its features.
PROBABILITIES, FEATURES = "probabilities", "features"


class Forward(NamedTuple):
    """The result of a network's forward pass.

    Attributes:
        outputs: float32 (photos, outputs).
        features: the inputs of the last layer, float32 (photos, features), or None.
    """

    outputs: np.ndarray
    features: np.ndarray | None


def joined(parts: Sequence[Forward]) -> Forward:
    """The results of the parts of a batch, in order."""
    if len(parts) == 1:
        return parts[0]
    features = [part.features for part in parts if part.features is not None]
    outputs = np.concatenate([part.outputs for part in parts])
    return Forward(outputs, np.concatenate(features) if features else None)
