"""Load a version's network with the engine that was asked for, or the fastest here.

Which network is the fastest on a CPU depends on the processor: one with instructions for int8
(VNNI) takes half the time in int8, and one without them takes longer. So both are timed where they
run.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.model.card import KERAS, Card, ModelError
from app.model.engine import Choice, Engine, choose
from app.model.golden import check_golden
from app.model.litert import FILES, LiteRTEngine, LiteRTName, one_line
from app.model.tensorflow import TensorFlowEngine
from app.model.version_folder import read_file

_ROUNDS, _FEWEST_ROUNDS, _SECONDS = 12, 3, 0.15
# A network that is so little faster would be another one at the next start.
_FASTER = 0.9


class Selected(NamedTuple):
    """An engine that reproduced the golden predictions, and why it was selected."""

    engine: Engine
    reason: str


def load_engine(folder: Path, card: Card, choice: Choice = "auto", threads: int = 1) -> Selected:
    """The engine for a checked version folder, warmed up and checked.

    Args:
        folder: the version folder whose card `app.model.version_folder.load_card` has checked.
        card: that card.
        choice: see `app.model.engine.choose`.
        threads: cores for LiteRT, see `app.model.litert.LiteRTEngine`.

    Raises:
        ModelError: the engine is not installed, cannot load the file, or answers otherwise than the
            card says.
    """
    name = choose(choice)
    if name == "tensorflow":
        engine = TensorFlowEngine(folder / KERAS, card)
        engine.warm()
        check_golden(card, engine)
        return Selected(engine, f"TensorFlow was chosen, and sees {engine.gpus} GPUs")
    names = networks(card, name)
    models = {each: read_file(folder / FILES[each], card.files[FILES[each]]) for each in names}
    return select(card, models, threads)


def networks(card: Card, choice: Choice) -> list[LiteRTName]:
    """The names of the version's networks for LiteRT that `choice` leaves to choose from.

    Raises:
        ModelError: the version has no such network.
    """
    found: list[LiteRTName] = [
        name for name, file in FILES.items() if file in card.files and choice in ("litert", name)
    ]
    if not found:
        raise ModelError(
            f"{card.name} {card.version} has no network in int8: it was published without one, or "
            "would lose too much by it. Set APP_ENGINE=litert, or see training.export --data."
        )
    return found


def select(card: Card, models: Mapping[LiteRTName, bytes | Path], threads: int = 1) -> Selected:
    """The fastest of a version's networks on this machine; float32 if they are about as fast.

    Args:
        card: the version's card.
        models: the networks, see `app.model.litert.LiteRTEngine`.
        threads: cores for a photo that is alone.

    Raises:
        ModelError: the only network, or that in float32, does not work.
    """
    if len(models) == 1:
        ((name, model),) = models.items()
        return Selected(_checked(name, model, card, threads), "no other to choose from")
    engines: dict[LiteRTName, LiteRTEngine] = {}
    for name, model in models.items():
        try:
            engines[name] = _checked(name, model, card, threads)
        except (ValueError, RuntimeError) as error:  # a ModelError, or LiteRT's own
            if name == "litert-float":
                raise
            reason = f"{name} does not work here: {one_line(error)}"
            return Selected(engines["litert-float"], reason)
    times = _milliseconds(card, engines)
    usual, other = times["litert-float"], times["litert-int8"]
    name = "litert-int8" if other < _FASTER * usual else "litert-float"
    reason = f"a photo takes {other:.1f} ms in int8 and {usual:.1f} ms in float32"
    return Selected(engines[name], reason)


def _checked(name: LiteRTName, model: bytes | Path, card: Card, threads: int) -> LiteRTEngine:
    engine = LiteRTEngine(model, card, threads, name)
    if not card.golden:
        engine.warm()
    check_golden(card, engine)  # which warms it up, too
    return engine


def _milliseconds(
    card: Card, engines: Mapping[LiteRTName, LiteRTEngine]
) -> dict[LiteRTName, float]:
    """The shortest time of each engine for one photo on one core. They take turns."""
    photo = np.zeros((1, *card.input.shape), np.uint8)
    times: dict[LiteRTName, list[float]] = {name: [] for name in engines}
    end = time.perf_counter() + _SECONDS
    for number in range(_ROUNDS):
        if number >= _FEWEST_ROUNDS and time.perf_counter() > end:
            break
        for name, engine in engines.items():
            began = time.perf_counter()
            engine.run(photo)
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: min(each) for name, each in times.items()}
