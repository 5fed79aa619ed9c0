"""Features of a made-up network: three classes of unequal size in a few of many directions."""

import numpy as np

FEATURES, DIRECTIONS = 24, 5
SIZES = (90, 40, 60)


def features(seed: int, sizes: tuple[int, ...] = SIZES) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (photos, FEATURES), of unequal lengths, and labels int64 (photos,)."""
    fixed = np.random.default_rng(99)
    centres = 3 * fixed.normal(size=(len(SIZES), DIRECTIONS))
    directions = np.linalg.qr(fixed.normal(size=(FEATURES, DIRECTIONS)))[0].T
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    inside = centres[labels] + random.normal(size=(len(labels), DIRECTIONS))
    values = inside @ directions + 4 + 0.1 * random.normal(size=(len(labels), FEATURES))
    lengths = random.uniform(0.5, 3, (len(labels), 1))
    return (values * lengths).astype(np.float32), labels


def others(seed: int, count: int = 70) -> np.ndarray:
    """Features of pictures of nothing that is a class: in all directions."""
    random = np.random.default_rng((seed, 7))
    return (4 + 2 * random.normal(size=(count, FEATURES))).astype(np.float32)
