"""BentoML, as its guide has it.

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
    """One photo a request, in as many worker processes as asked for."""

    def __init__(self) -> None:
        self.network = Network()

    @bentoml.api
    def predict(self, file: Path) -> dict[str, float]:
        """One photo, which BentoML has put into a file."""
        pixels = self.network.decode(file.read_bytes())
        return self.network.answer(self.network.run(pixels[np.newaxis])[0])
