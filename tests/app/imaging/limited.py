"""Decodes photos in processes of limited memory, as the service's workers are."""

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from PIL import Image

from app.imaging import decode
from app.imaging.errors import PhotoError
from app.imaging.formats import format_of, register_heic
from app.serving.limits import Memory
from app.serving.process import _ENVIRONMENT
from app.serving.worker import LATE_IMPORTS
from tests.conftest import ROOT

SIDE = 180  # of the network's input


def outcomes(folder: Path, photos: dict[str, bytes], memory: int | None = None) -> dict[str, str]:
    """What `decode` says of each photo in a process that may take `memory` bytes more.

    Without `memory` it is what `decode` estimates for the photo. The answer is "decoded", or the
    name of the error; a crash is "signal N".
    """
    for name, data in photos.items():
        (folder / name).write_bytes(data)
    words = [__name__, str(memory or 0), *(str(folder / name) for name in photos)]
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=os.environ | _ENVIRONMENT,
        stdout=subprocess.PIPE, text=True, check=True, timeout=300,
    )  # fmt: skip
    return dict(zip(photos, json.loads(done.stdout), strict=True))


def estimate(data: bytes) -> int:
    """The bytes that `decode` takes to be needed for a photo, with the file's own."""
    name = format_of(data)
    assert name
    if name == "HEIC":
        register_heic()
    image = Image.open(io.BytesIO(data))
    whole = image.width * image.height
    image.draft("RGB", (SIDE, SIDE))
    return len(data) + decode._needed(image, name, whole)


def _outcome(data: bytes, memory: int) -> str:
    """Fork a process, limit it, decode in it, and return what it writes."""
    memory = memory or estimate(data)
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        with os.fdopen(reader) as file:
            text = file.read()
        status = os.waitpid(child, 0)[1]
        return text or f"signal {os.waitstatus_to_exitcode(status)}"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Memory().allow(memory)
    try:
        decode.decode(data, SIDE, SIDE, 3, memory=memory)
        text = "decoded"
    except PhotoError as error:
        text = type(error).__name__
    os.write(writer, text.encode())
    os._exit(0)


if __name__ == "__main__":
    for late in LATE_IMPORTS:
        __import__(late)
    register_heic()
    print(
        json.dumps([_outcome(Path(path).read_bytes(), int(sys.argv[1])) for path in sys.argv[2:]])
    )
