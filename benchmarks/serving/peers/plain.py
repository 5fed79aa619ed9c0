"""An optimized FastAPI template: a `def` endpoint in the thread pool and a traced graph.

BENCHMARK_MODEL=models/cats-vs-dogs/1 uvicorn benchmarks.serving.peers.plain:app
"""

import numpy as np
from fastapi import FastAPI, UploadFile

from benchmarks.serving.peers.network import Network

network = Network()
app = FastAPI()


@app.get("/readyz")
def readyz() -> str:
    """Return 200 once the module is loaded."""
    return "ready"


@app.post("/predict")
def predict(file: UploadFile) -> dict[str, float]:
    """Classify a photo."""
    pixels = network.decode(file.file.read())
    return network.answer(network.run(pixels[np.newaxis])[0])
