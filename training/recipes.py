"""Named, frozen recipes: what to train, on what, for how long.

A recipe's figures are those of the lecture; what is measured with them stands on the card
of the model that it published.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recipe:
    """How one network is trained.

    `network` names a function of `training.networks`; `model` is the published name; `data`
    is where the photos are unless told otherwise (None: Keras's own copy of MNIST); `labels`
    are the classes that `model` stands for.
    """

    name: str
    network: str
    model: str
    data: Path | None
    labels: tuple[str, ...]
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    seed: int = 0


LECTURE = Recipe(
    name="lecture",
    network="cats_vs_dogs",
    model="cats-vs-dogs",
    data=Path("data/cats_vs_dogs_small"),
    labels=("cat", "dog"),
    epochs=30,
    batch_size=32,
    optimizer="rmsprop",
    learning_rate=1e-3,
)

DIGITS = Recipe(
    name="digits",
    network="digits",
    model="digits",
    data=None,
    labels=tuple("0123456789"),
    epochs=5,
    batch_size=64,
    optimizer="rmsprop",
    learning_rate=1e-3,
)

RECIPES = {recipe.name: recipe for recipe in (LECTURE, DIGITS)}
