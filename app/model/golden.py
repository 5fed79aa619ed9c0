"""Golden predictions: a network's answers to test pictures, to check that it was loaded right."""

import math

import numpy as np

from app.model.card import EXPLAIN, LITERT, Card, Golden, Input, ModelError
from app.model.engine import Engine
from app.model.explainer import Explainer, NotExplainable

# Engines differ in the last bits of a float32; a wrong file or layer differs much more.
GOLDEN_TOLERANCE = 1e-3
# In int8 a number that is rounded the other way is off by 1/256 of its range. Processors with VNNI
# and with AVX2 alone gave the same outputs.
INT8_TOLERANCE = 0.01


def golden_pixels(seed: int, shape: Input) -> np.ndarray:
    """A test picture made by a formula in whole numbers, the same on every machine.

    It shows waves whose length and direction depend on `seed`. Different networks answer it
    differently, and no photo has to be stored.

    Returns:
        uint8 array of shape (height, width, channels).
    """
    rows, columns, channels = np.indices(shape.shape)
    steps = (rows * (3 + seed) + columns * (7 - 2 * seed) + channels * (40 + 11 * seed)) % 256
    blocks = ((rows // (4 + seed)) % 2) ^ ((columns // (6 + seed)) % 2)
    return np.asarray(np.where(blocks == 1, steps, 255 - steps), np.uint8)


def matches(expected: tuple[float, ...], outputs: np.ndarray, tolerance: float) -> bool:
    """Whether a network's outputs equal the golden ones, each within `tolerance`."""
    return len(expected) == len(outputs) and all(
        math.isclose(a, float(b), abs_tol=tolerance, rel_tol=0.0)
        for a, b in zip(expected, outputs, strict=True)
    )


def check_golden(card: Card, engine: Engine) -> None:
    """Compare an engine's answers to the card's golden predictions.

    The golden pictures are run one by one, with one core and with several, and then as a batch.

    Raises:
        ModelError: an answer differs.
    """
    golden, tolerance = card.golden, GOLDEN_TOLERANCE
    if engine.name == "litert-int8":
        golden, tolerance = card.int8.golden if card.int8 else (), INT8_TOLERANCE
    if not golden:
        return
    pixels = [golden_pixels(each.seed, card.input) for each in golden]
    for place, (each, one) in enumerate(zip(golden, pixels, strict=True)):
        outputs = engine.run(one[np.newaxis], alone=place % 2 == 1)[0]
        _compare(card, engine, each, outputs, tolerance)
    places = [place % len(golden) for place in range(max(len(golden), engine.max_batch))]
    together = engine.run(np.stack([pixels[place] for place in places]))
    for place, outputs in zip(places, together, strict=True):
        _compare(card, engine, golden[place], outputs, tolerance)


def check_explainer(card: Card, explainer: Explainer) -> None:
    """Check that the explainer answers as the network does, and shows every output.

    Raises:
        ModelError: it does not, or LiteRT cannot load its file.
    """
    for golden in card.golden[:1]:
        pixels = golden_pixels(golden.seed, card.input)
        try:
            explainer.feature_maps(pixels)
            terms = explainer.terms(pixels)
        except NotExplainable:
            return
        except ModelError:
            raise
        except (ValueError, KeyError, RuntimeError) as error:  # another input, or other outputs
            raise _another_network(golden) from error
        shapes = [terms.logits.shape, terms.bias.shape, terms.maps.shape[2:]]
        right = shapes == [(card.outputs,)] * 3
        if not right or not matches(golden.outputs, terms.probabilities, GOLDEN_TOLERANCE):
            raise _another_network(golden)


def _another_network(golden: Golden) -> ModelError:
    return ModelError(
        f"{EXPLAIN} does not show the network of {LITERT}: it does not reproduce the card's "
        f"golden prediction {golden.seed}. Make it again with training.export."
    )


def _compare(
    card: Card, engine: Engine, golden: Golden, outputs: np.ndarray, tolerance: float
) -> None:
    if not matches(golden.outputs, outputs, tolerance):
        raise ModelError(
            f"{card.name} {card.version}: the {engine.name} engine does not reproduce the card's "
            f"golden prediction {golden.seed}: {[round(float(v), 6) for v in outputs]} instead of "
            f"{[round(v, 6) for v in golden.outputs]}. Retrain, or use another engine."
        )
