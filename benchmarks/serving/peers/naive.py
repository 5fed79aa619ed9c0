"""A simple FastAPI template: `model.predict` on a photo that Pillow resizes.

BENCHMARK_MODEL=models/cats-vs-dogs/1 uvicorn benchmarks.serving.peers.naive:app
"""

import io
import os
from pathlib import Path

import keras
import numpy as np
from fastapi import FastAPI, UploadFile
from PIL import Image

from app.model.card import KERAS
from app.model.version_folder import load_card
from benchmarks.serving.peers.network import MODEL

FOLDER = Path(os.environ[MODEL])
CARD = load_card(FOLDER)
model = keras.saving.load_model(FOLDER / KERAS, compile=False)
app = FastAPI()


@app.get("/readyz")
def readyz() -> str:
    """Return 200 once the module is loaded."""
    return "ready"


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, list[float]]:
    """Classify a photo on the event loop, as many templates do."""
    opened = Image.open(io.BytesIO(await file.read()))
    image = opened.convert("RGB" if CARD.input.channels == 3 else "L")
    image = image.resize((CARD.input.width, CARD.input.height))
    pixels = np.asarray(image, np.float32).reshape(1, image.height, image.width, -1)
    return {"outputs": model.predict(pixels, verbose=0)[0].tolist()}
