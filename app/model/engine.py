"""Which engine runs the network: LiteRT on a CPU, TensorFlow on a GPU.

All take the pixels that `app.imaging.decode.decode` returns, and give the network's outputs.
`app.model.fastest` chooses between the networks for LiteRT.
"""

import importlib.util
import logging
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from app.model.forward import Forward
from app.model.litert import LiteRTName

EngineName = LiteRTName | Literal["tensorflow"]
Choice = Literal["auto", "litert"] | EngineName

logger = logging.getLogger(__name__)

# Device files of an NVIDIA driver, natively and under WSL 2.
_GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


class Engine(Protocol):
    """Runs a network."""

    name: str
    max_batch: int
    """The largest batch that is faster than its photos one by one."""
    features: int
    """The number of inputs of the network's last layer; 0 if the engine does not show them."""

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        """uint8 (photos, height, width, channels) -> float32 (photos, outputs).

        `alone` says that no other photo is in work, so that one photo may use several cores.
        """

    def forward(self, batch: np.ndarray, alone: bool = False) -> Forward:
        """As `run`, with the inputs of the last layer."""

    def warm(self) -> None:
        """Run each batch size once, so that no request has to wait for one-time set-up."""


def choose(choice: Choice) -> Literal["litert"] | EngineName:
    """Choose between a CPU and a GPU: "auto" is TensorFlow where it is installed and sees a GPU.

    "litert" stands for the faster of the version's networks for a CPU.
    """
    if choice == "auto":
        return "tensorflow" if _tensorflow_has_gpu() else "litert"
    return choice


def _tensorflow_has_gpu() -> bool:
    """Whether TensorFlow is installed and sees a GPU. Without a driver it is not imported."""
    if not any(device.exists() for device in _GPU_DEVICES):
        return False
    if importlib.util.find_spec("tensorflow") is None:
        logger.warning("a GPU is here, but TensorFlow is not installed: serving on the CPU")
        return False
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return True
    logger.warning("TensorFlow sees no GPU, though a driver is here: serving on the CPU")
    return False
