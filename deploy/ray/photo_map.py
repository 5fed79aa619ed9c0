"""Apply a function to many photos on Ray Data: decoding, and the features of a backbone.

Each actor has one core. An actor that dies is replaced, and the photos that it had are computed
again. The machines must find the photos under the paths that this machine has.
"""

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import ray.data
from ray import cloudpickle

from training.data.photo_map import PhotoFunction
from training.data.samples import Sample

_TASK = 64  # photos; so many are computed again, at most, when an actor dies


class RayPhotoMap:
    """A `training.data.photo_map.PhotoMap` with a number of actors."""

    def __init__(self, actors: int) -> None:
        self._actors = actors

    def __call__(
        self, function: PhotoFunction, samples: Sequence[Sample]
    ) -> Iterator[tuple[int, np.ndarray | str]]:
        """Yield (index of the photo, result) as the results arrive."""
        if not samples:
            return
        ray.data.DataContext.get_current().enable_progress_bars = False
        content = cloudpickle.dumps(function)
        rows = [{"index": n, "sample": pickle.dumps(each)} for n, each in enumerate(samples)]
        tasks = -(-len(rows) // _TASK)
        results = ray.data.from_items(rows, override_num_blocks=tasks).map_batches(
            _Actor,
            fn_constructor_args=(content,),
            compute=ray.data.ActorPoolStrategy(size=min(self._actors, tasks)),
            batch_size=_TASK,
            num_cpus=1,
        )
        for row in results.iter_rows():
            yield int(row["index"]), pickle.loads(row["result"])  # noqa: S301  # of our own actors


class _Actor:
    def __init__(self, function: bytes) -> None:
        self._function: PhotoFunction = cloudpickle.loads(function)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        samples = [pickle.loads(each) for each in batch["sample"]]  # noqa: S301  # of our driver
        results = [pickle.dumps(self._function(sample)) for sample in samples]
        return {"index": batch["index"], "result": results}
