"""What a recipe says: what to train, on what, for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.data.augmentation import Augmentation


@dataclass(frozen=True)
class Recipe:
    """How one network is trained.

    What: `network` names a function of `training.networks.architectures`, called with the number of
    classes and `options`; `model` is the published name; `data` is where the photos are unless told
    otherwise (None: Keras's own copy of MNIST); `labels` are the classes that `model` stands for;
    `exclude` names photos never to train on, and with `deduplicate` neither are those that
    validation or test has too.

    `weights` are what the network starts from, see `training.networks.pretrained` (None: random
    ones). With `mirror_symmetric`, see `training.networks.symmetry`, its weights are kept so.

    How: `optimizer` at `learning_rate`, constant, or with `warmup` (epochs) rising to it and
    then falling along a cosine to zero. `sides` are (side in pixels, share of the epochs)
    in turn, for networks that take any side; photos are decoded at `source_side` before they
    are cut (None: the network's own). With `mixed_precision` the arithmetic is bfloat16 where
    the machine has instructions for it.

    What is kept: the epoch with the lowest validation loss ("best"), or the "final" weights,
    and of these their running `average` if that is above 0. Validation, and with it the
    checkpoint, is every `validate_every` epochs. With `calibrate` a temperature is fitted on
    validation and folded into the last layer.
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
    options: Mapping[str, Any] = field(default_factory=dict)
    mirror_symmetric: bool = False
    weights: str | None = None
    seed: int = 0
    weight_decay: float | None = None
    warmup: int = 0
    label_smoothing: float = 0.0
    average: float = 0.0
    augmentation: Augmentation | None = None
    sides: tuple[tuple[int, float], ...] = ()
    source_side: int | None = None
    mixed_precision: bool = False
    exclude: tuple[str, ...] = ()
    deduplicate: bool = False
    calibrate: bool = False
    keep: Literal["best", "final"] = "best"
    validate_every: int = 1
