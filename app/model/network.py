"""A network that is ready to answer: its engine, and how familiar photos are to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.model.card import Card, ModelError
from app.model.engine import Engine
from app.model.familiarity import Familiar, Familiarity
from app.model.fastest import Selected


@dataclass(frozen=True)
class Output:
    """What a network says of one photo: its outputs, and how familiar the photo is, if measured."""

    values: list[float]
    familiar: Familiar | None

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> "Output":
        """From the members of an object that has been JSON on its way."""
        familiar = members["familiar"]
        return cls(members["values"], Familiar(*familiar) if familiar else None)


class Network:
    """An engine, and the measure of familiarity where the version has one.

    Args:
        engine: runs the network.
        familiarity: measures how familiar photos are.
        reason: why this engine was selected.

    Raises:
        ModelError: the network does not have the features that `familiarity` needs.
    """

    def __init__(self, engine: Engine, familiarity: Familiarity | None, reason: str = "") -> None:
        if familiarity and engine.features != familiarity.features:
            raise ModelError(
                f"the network has {engine.features} features, and the measure of familiarity "
                f"needs {familiarity.features}. Publish the version again with training.fit."
            )
        self.engine = engine
        self.familiarity = familiarity
        self.reason = reason

    @classmethod
    def of(cls, card: Card, selected: Selected, familiarity: bytes | None) -> "Network":
        """With the bytes of the version's `familiarity.npz`, if it has one."""
        measure = Familiarity.read(familiarity, card) if familiarity else None
        return cls(selected.engine, measure, selected.reason)

    def run(self, batch: np.ndarray, alone: bool = False) -> list[Output]:
        """Arguments as for `app.model.engine.Engine.run`."""
        values, features = self.engine.forward(batch, alone)
        familiar: list[Familiar | None] = [None] * len(values)
        if self.familiarity and features is not None:
            familiar = list(self.familiarity.measure(features))
        return [Output(*row) for row in zip(values.tolist(), familiar, strict=True)]
