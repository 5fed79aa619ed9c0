"""Colours for signed values: orange above zero, blue below.

People with any common kind of colour blindness can tell blue from orange. Both get lighter with
the absolute value, so that the order is kept in a grey print.
"""

import numpy as np

FOR, AGAINST = (255, 140, 26), (56, 116, 255)

# Fractions of the largest absolute value, and the colours at them; zero is dark.
_STOPS = (0.0, 0.6, 1.0)
_ABOVE = np.array([(18, 20, 28), (240, 122, 22), (255, 232, 180)])
_BELOW = np.array([(18, 20, 28), (44, 106, 232), (190, 220, 255)])


def colours(values: np.ndarray) -> np.ndarray:
    """Values in -1..1, any shape -> uint8 RGB of that shape and a last dimension of 3."""
    size = np.abs(values)
    above, below = (
        np.stack([np.interp(size, _STOPS, channel) for channel in stops.T], axis=-1)
        for stops in (_ABOVE, _BELOW)
    )
    return np.asarray(np.where(values[..., np.newaxis] < 0, below, above), np.uint8)


# A picture of signed values needs one byte per pixel: 127 colours and one for gaps.
GAP = 127
PALETTE = colours(np.linspace(-1, 1, GAP)).tobytes() + bytes(3)


def indices(values: np.ndarray) -> np.ndarray:
    """Values in -1..1 -> indices of `PALETTE`, uint8 of the same shape."""
    return np.asarray(np.round((values + 1) * (GAP - 1) / 2), np.uint8)


def normalised(values: np.ndarray, quantile: float = 1.0) -> np.ndarray:
    """Scale values to -1..1 by their largest absolute value; zero stays zero.

    Args:
        values: any shape, not empty.
        quantile: divide by this quantile of the absolute values instead and clip what is
            beyond, so that a few extremes do not make all other values look dark.
    """
    size = np.abs(values)
    scale = float(np.quantile(size, quantile)) or float(size.max()) or 1.0
    return np.asarray(np.clip(values / scale, -1, 1))
