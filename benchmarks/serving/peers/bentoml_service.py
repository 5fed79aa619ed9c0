"""A BentoML service, as in its guide.

export BENCHMARK_MODEL=models/cats-vs-dogs/1 BENCHMARK_WORKERS=2
bentoml serve benchmarks.serving.peers.bentoml_service:Photos
"""

import os
from pathlib import Path

import bentoml
import numpy as np

from benchmarks.serving.peers.network import WORKERS, Network


@bentoml.service(workers=int(os.environ[WORKERS]), traffic={"timeout": 60})
class Photos:
    """Classifies one photo in each request."""

    def __init__(self) -> None:
        self.network = Network()

    @bentoml.api
    def predict(self, file: Path) -> dict[str, float]:
        """Classify a photo, which BentoML has stored in a file."""
        pixels = self.network.decode(file.read_bytes())
        return self.network.answer(self.network.run(pixels[np.newaxis])[0])
