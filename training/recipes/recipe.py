"""The recipe: the settings of one kind of training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.data.augmentation import Augmentation


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    Attributes:
        network, options: a function of `training.networks.architectures` and its arguments.
        model, labels: the name and the classes of the published model.
        data: the default data set; None is Keras's copy of MNIST.
        optimizer: "muon", or the name of a Keras optimizer.
        learning_rate: the constant learning rate, or the highest one if `warmup` is above 0.
        mirror_symmetric: constrain the weights, see `training.networks.symmetry`.
        weights: the initial weights, see `training.networks.pretrained`; None is random.
        seed: of the initial weights, the order of the photos, augmentation and dropout.
        warmup: epochs in which the learning rate rises linearly, before it falls along a cosine.
        label_smoothing: the share of each target that is spread over all classes.
        average: the decay of the moving average of the weights; 0 uses the weights themselves.
        sides: consecutive stages as (side of the photos in pixels, share of the epochs).
        source_side: the side in pixels of decoded photos before augmentation.
        mixed_precision: compute in bfloat16 if the machine has instructions for it.
        exclude: names of photos that are not used for training.
        deduplicate: exclude training photos that validation or test contains too.
        calibrate: fit a temperature on the validation set and fold it into the last layer.
        keep: publish the epoch with the lowest validation loss ("best") or the last ("final").
        validate_every: the number of epochs between validations, which also write a checkpoint.
        backbone: a key of `training.networks.backbones.BACKBONES`; then `training.transfer` trains,
            and `epochs` is the most that it does.
        minutes: of fine-tuning; 0 is the head alone.
        frozen: the first words of the names of layers that fine-tuning leaves as they are.
        decides: publish thresholds, so that the model says when it does not know.
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
    backbone: str | None = None
    minutes: float = 0.0
    frozen: tuple[str, ...] = ()
    decides: bool = False
