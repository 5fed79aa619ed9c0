"""A worker process: it takes photos from a socket, and writes its answers back.

It knows neither HTTP nor the settings. What a photo does to it, the service survives.
"""

import importlib
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.imaging.errors import PhotoError, TooExpensive
from app.imaging.formats import register_heic
from app.imaging.statistics import statistics
from app.model.card import EXPLAIN, Card, ModelError
from app.model.classifier import Classifier
from app.model.explainer import Explainer, NotExplainable
from app.model.golden import check_explainer
from app.model.litert import FILES, one_line
from app.model.shared_file import SharedFile
from app.serving import limits, messages

Job = Callable[[Classifier, bytes], dict[str, Any] | bytes]

# What NumPy and Pillow import when they first need it: a confined process could not any more.
LATE_IMPORTS = (
    "numpy.ma", "PIL.ImageColor", "PIL.ImagePalette", "PIL.MpoImagePlugin", "PIL.PpmImagePlugin",
    "pillow_heif",
)  # fmt: skip

CLASSIFY, DECODE = "classify", "decode"

# Bytes that an ordinary photo may take: one of 12 megapixels does.
ORDINARY_MEMORY = 128 * 1024 * 1024
# Seconds of processor time that a photo may take while another one waits in the same batch.
BATCH_SECONDS = 0.25


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker process loads, and its limits.

    Attributes:
        card: the model's card.
        files: the version's LiteRT files, by name. Of several networks the fastest answers; if
            there is none, the worker decodes for an engine elsewhere.
        jobs: what it does beside classifying, by name.
        formats, max_pixels: see `app.imaging.decode.decode`.
        photo_memory: bytes that one photo may take, if it is sent as a large one.
        photo_seconds: processor time that one photo may take.
    """

    card: Card
    files: Mapping[str, SharedFile]
    jobs: Mapping[str, Job]
    formats: tuple[str, ...]
    max_pixels: int
    photo_memory: int
    photo_seconds: float


def main(connection: socket.socket, spec: WorkerSpec, threads: int, check: bool) -> None:
    """Load the model, say so, and answer until the connection is closed.

    Args:
        connection: to the service.
        spec: what to load.
        threads: cores for a photo that is alone.
        check: check the explainer's file, too.
    """
    try:
        worker = _Worker(spec, threads, check)
    except ModelError as error:
        connection.sendall(messages.packed({"refused": str(error)}))
        return
    except (ValueError, RuntimeError, MemoryError) as error:  # of LiteRT, where it runs the network
        reason = f"the network cannot be run here ({one_line(error)})."
        connection.sendall(messages.packed({"refused": reason}))
        return
    for name in LATE_IMPORTS:
        importlib.import_module(name)
    limits.confine()
    connection.sendall(messages.packed({"ready": worker.description}))
    # The service may end at any time, even while it is answered.
    with connection.makefile("rb") as file, suppress(BrokenPipeError, ConnectionResetError):
        while (message := messages.read(file)) is not None:
            connection.sendall(messages.packed(*worker.answer(*message)))
            del message  # while it waits, it needs no photo


class _Worker:
    def __init__(self, spec: WorkerSpec, threads: int, check: bool) -> None:
        self._spec = spec
        self._classifier = Classifier.from_files(
            spec.card, spec.files, threads, spec.max_pixels, spec.formats
        )
        if check and EXPLAIN in spec.files:
            # Not the classifier's own explainer, which would keep the file's network in memory.
            check_explainer(spec.card, Explainer(spec.card, spec.files[EXPLAIN].read))
        if "HEIC" in spec.formats:
            register_heic()  # later it could not be read any more
        self._memory = limits.Memory()

    @property
    def description(self) -> dict[str, str]:
        """The name of the engine that it loaded, and the reason; nothing if it only decodes."""
        if not any(file in self._spec.files for file in FILES.values()):
            return {}
        network = self._classifier.network
        return {"engine": network.engine.name, "reason": network.reason}

    def answer(self, head: dict[str, Any], photos: list[bytes]) -> messages.Message:
        """The answer to a message: for each photo a member of `answers` and its bytes."""
        memory = self._spec.photo_memory if head["large"] else ORDINARY_MEMORY
        self._classifier.memory = memory
        self._memory.allow(memory)
        if head["job"] == CLASSIFY:
            return {"answers": self._classify(photos, head["alone"])}, []
        answer, blob = self._run(head["job"], photos[0])
        return {"answers": [answer]}, [blob]

    def _classify(self, photos: list[bytes], alone: bool) -> list[dict[str, Any]]:
        seconds = min(BATCH_SECONDS, self._spec.photo_seconds)
        if len(photos) == 1:
            seconds = self._spec.photo_seconds
        answers: list[dict[str, Any]] = []
        decoded = []
        for photo in photos:
            with limits.processor_time(seconds):
                answer, pixels = self._decode(photo)
            answers.append(answer)
            if pixels is not None:
                decoded.append(pixels)
        if decoded:
            began = time.perf_counter()
            outputs = iter(self._classifier.network.run(np.stack(decoded), alone))
            infer = time.perf_counter() - began
            for answer in answers:
                if "error" not in answer:
                    answer |= vars(next(outputs)) | {"infer": infer}
        return answers

    def _decode(self, photo: bytes) -> tuple[dict[str, Any], np.ndarray | None]:
        began = time.perf_counter()
        try:
            pixels, whole = self._classifier.decoded(photo)
            found = vars(statistics(pixels, whole))
        except Exception as error:
            return _failure(error), None
        return {"decode": time.perf_counter() - began, "statistics": found}, pixels

    def _run(self, job: str, photo: bytes) -> tuple[dict[str, Any], bytes]:
        with limits.processor_time(self._spec.photo_seconds):
            if job == DECODE:
                answer, pixels = self._decode(photo)
                return answer, b"" if pixels is None else pixels.tobytes()
            try:
                result = self._spec.jobs[job](self._classifier, photo)
            except Exception as error:
                return _failure(error), b""
        return ({}, result) if isinstance(result, bytes) else ({"result": result}, b"")


def _failure(error: Exception) -> dict[str, Any]:
    """The members for a photo's error; for a defect, its traceback, which the log needs."""
    if isinstance(error, PhotoError | NotExplainable):
        return messages.from_error(error)
    if isinstance(error, MemoryError):
        return messages.from_error(TooExpensive("the memory that a worker has for it"))
    return {"error": "", "message": "".join(traceback.format_exception(error)), "members": {}}
