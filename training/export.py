"""A saved Keras network -> a LiteRT file, by TensorFlow's converter.

The converter is part of TensorFlow whatever backend trained the network, so this runs as a
process of its own with that backend.
"""

import os
import subprocess
import sys
from pathlib import Path

from training.command import CommandError


def export_litert(source: Path, destination: Path) -> None:
    """Convert a `.keras` file; weights and arithmetic stay float32.

    Raises:
        CommandError: the converter failed; the message is its last line.
    """
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    command = [sys.executable, "-m", "training.export", str(source), str(destination)]
    # Our own interpreter, our own module and two paths, without a shell.
    done = subprocess.run(  # noqa: S603
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode or not destination.is_file():
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise CommandError(f"{source}: the conversion to LiteRT failed: {last}")


def _convert(source: str, destination: str) -> None:
    import keras

    network = keras.saving.load_model(source, compile=False, safe_mode=True)
    network.export(destination, format="litert", verbose=False)


if __name__ == "__main__":
    _convert(*sys.argv[1:3])
