"""A LitServe server, as in its guide.

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
    """Classifies one photo in each request."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Load the network in the worker process."""
        self.network = Network()

    def decode_request(self, request: Request) -> np.ndarray:
        """Decode the photo of the form field `file` to uint8 pixels."""
        # The annotation makes LitServe parse the form; the argument is the form, not a request.
        pixels: np.ndarray = self.network.decode(request["file"].file.read())
        return pixels

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        """Run the network on the pixels of one photo."""
        outputs: np.ndarray = self.network.run(pixels[np.newaxis])[0]
        return outputs

    def encode_response(self, outputs: np.ndarray) -> dict[str, float]:
        """Convert the outputs to label -> probability."""
        return self.network.answer(outputs)


if __name__ == "__main__":
    server = litserve.LitServer(
        PhotoAPI(), accelerator="cpu", workers_per_device=int(os.environ[WORKERS])
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
