"""LitServe, as its guide has it.

export BENCHMARK_MODEL=models/cats-vs-dogs/1 BENCHMARK_WORKERS=2
python -m benchmarks.serving.peers.litserve_server 8000
"""

import os
import sys

import litserve
import numpy as np
from fastapi import Request

from benchmarks.serving.peers.network import WORKERS, Network


class PhotoAPI(litserve.LitAPI):
    """decode -> predict -> encode, in as many worker processes as asked for."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Load the network in the worker."""
        self.network = Network()

    def decode_request(self, request: Request) -> np.ndarray:
        """The form's photo -> pixels."""
        # The annotation makes LitServe's route read the form; what comes here is that form.
        pixels: np.ndarray = self.network.decode(request["file"].file.read())
        return pixels

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels -> outputs."""
        outputs: np.ndarray = self.network.run(pixels[np.newaxis])[0]
        return outputs

    def encode_response(self, outputs: np.ndarray) -> dict[str, float]:
        """Outputs -> answer."""
        return self.network.answer(outputs)


if __name__ == "__main__":
    server = litserve.LitServer(
        PhotoAPI(), accelerator="cpu", workers_per_device=int(os.environ[WORKERS])
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
