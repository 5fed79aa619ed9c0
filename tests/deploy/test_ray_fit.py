"""Training on a local Ray: as one process trains, and with parts killed on the way."""

import csv
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from app.model.card import KERAS
from app.model.version_folder import load_card
from benchmarks.harness.memory import process_tree
from tests import pictures
from tests.conftest import Command, striped, write_classes
from training.data.cache import DecodedSubset
from training.data.photo_map import PhotoFunction
from training.data.samples import Sample
from training.loop.checkpoint import EPOCHS, LATEST, RunFolder
from training.recipes.catalogue import TRANSFER
from training.transfer.features import Extractor, compute_features

pytestmark = [
    pytest.mark.cluster,
    # Ray leaves sockets and files to the end of the process, and warns of options of its own.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]

TOLERANCE = 1e-5  # of weights around 0.1, after some steps; float32 sums in another order


@pytest.fixture(scope="module", autouse=True)
def ray_here() -> Iterator[None]:
    """One local Ray for all tests; the commands find it initialised."""
    import ray

    from deploy.ray.connect import connect, prepare

    prepare(None)
    connect(None, 2, 1)
    yield
    ray.shutdown()


def kill_one(name: str) -> int:
    """Kill the newest of this process's descendants of that name; return its number."""
    found = [
        process
        for process in process_tree(os.getpid())
        if name in Path(f"/proc/{process}/cmdline").read_bytes().decode()
    ]
    os.kill(max(found), signal.SIGKILL)
    return max(found)


class KillerWhen(threading.Thread):
    """Kills a process of this name as soon as the path is there."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(daemon=True)
        self._path, self._name = path, name
        self.killed = 0

    def run(self) -> None:
        for _ in range(4000):
            if self._path.exists():
                self.killed = kill_one(self._name)
                return
            time.sleep(0.05)


def words(module: str, data: Path, base: Path, *more: object) -> list[object]:
    return [
        module, "--data", data, "--name", "stripes", "--models", base / "models",
        "--runs", base / "runs", "--cache", data.parent / "cache", *more,
    ]  # fmt: skip


def weights(base: Path) -> list[np.ndarray]:
    network = keras.saving.load_model(base / "models/stripes/1" / KERAS, compile=False)
    return [np.asarray(value) for value in network.get_weights()]


def rows(base: Path) -> list[dict[str, float]]:
    with (base / "runs/stripes/metrics.csv").open() as file:
        return [{k: float(v or "nan") for k, v in row.items()} for row in csv.DictReader(file)]


def require_same(one: Path, two: Path) -> None:
    for left, right in zip(weights(one), weights(two), strict=True):
        np.testing.assert_allclose(left, right, atol=TOLERANCE)
    for left_row, right_row in zip(rows(one), rows(two), strict=True):
        for name in set(left_row) - {"seconds"}:
            assert left_row[name] == pytest.approx(right_row[name], abs=1e-4, nan_ok=True), name
    cards = [load_card(base / "models/stripes/1") for base in (one, two)]
    assert cards[0].data == cards[1].data
    for name, figure in cards[0].metrics.items():
        assert figure.value == pytest.approx(cards[1].metrics[name].value, abs=1e-4), name


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """65 training photos: the second batch of an epoch has one, for two workers."""
    folder = tmp_path_factory.mktemp("odd") / "photos"
    for subset, count in (("train", 33), ("validation", 12), ("test", 12)):
        write_classes(folder / subset, count, ("down", "level"))
    (folder / "train" / "level" / "32.png").unlink()
    return folder


DIGITS = ("--recipe", "digits", "--epochs", 5)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, odd: Path, command: Command) -> Path:
    base = tmp_path_factory.mktemp("alone")
    done = command(*words("training.fit", odd, base, *DIGITS))
    assert done.returncode == 0, done.stderr
    return base


def test_two_workers_of_which_one_is_killed_train_as_one_process(
    tmp_path: Path, odd: Path, alone: Path, run_here: Command
) -> None:
    killer = KillerWhen(tmp_path / "runs/stripes/epoch-0002", "ray::RayTrainWorker")
    killer.start()
    done = run_here(*words("deploy.ray.fit", odd, tmp_path, *DIGITS, "--workers", 2))
    assert done.returncode == 0, done.stderr
    assert killer.killed
    require_same(alone, tmp_path)
    assert [path.name for path in (tmp_path / "runs/stripes").iterdir()] == ["metrics.csv"]


def colourful(count: int, rare: int, folder: Path) -> DecodedSubset:
    """Decoded photos of two classes, of which the second has `rare` photos, as the cache is."""
    labels = np.repeat([0, 1], [count - rare, rare])
    grey = np.stack([striped(int(label), number, 96) for number, label in enumerate(labels)])
    np.save(folder / "pixels.npy", np.repeat(grey[..., np.newaxis], 3, axis=3))
    return DecodedSubset(np.load(folder / "pixels.npy", mmap_mode="r"), labels, {})


def test_two_workers_fine_tune_as_one_process(tmp_path: Path) -> None:
    """With crops, weights of rare photos and averaged weights.

    An epoch has four batches of 3 photos and one of 1. In the second epoch, the learning rate is
    still high enough to show what happened to the last batch of the first.
    """
    from deploy.ray.fit_engine import OnRay
    from deploy.ray.workers import Workers
    from training.networks.backbones import build_backbone
    from training.transfer.finetune import fine_tune

    recipe = replace(TRANSFER, sides=((64, 1.0),), batch_size=3, epochs=2, minutes=1000.0)
    photos = colourful(13, 4, tmp_path)
    found = {}
    for name, tune in (("alone", fine_tune), ("workers", OnRay(Workers(2, 1, 0)).fine_tune)):
        keras.utils.set_random_seed(0)  # of the last layer
        network = build_backbone("efficientnet-lite0", 2, None)
        before = network.get_weights()
        run = RunFolder(tmp_path / name)
        state = run.begin({}, resume=False, restart=False)
        if tune is fine_tune:  # the workers find out by themselves
            (run.path / EPOCHS).write_text('{"epochs": 2}')
        state = tune(recipe, network, photos, run, state)
        assert state.folder is not None
        # The average, and the weights themselves, which have the latest batches.
        latest = keras.saving.load_model(state.folder / LATEST, compile=False)
        arrays = [*network.get_weights(), *latest.get_weights()]
        found[name] = arrays, [float(row["loss"] or 0) for row in state.history]
    changes = [np.abs(a - b).max() for a, b in zip(before, found["alone"][0], strict=False)]
    assert max(changes) > 20 * TOLERANCE
    for one, two in zip(found["alone"][0], found["workers"][0], strict=True):
        np.testing.assert_allclose(one, two, atol=TOLERANCE)
    np.testing.assert_allclose(found["alone"][1], found["workers"][1], atol=1e-4)


def test_recipes_that_need_whole_batches_are_refused(
    tmp_path: Path, odd: Path, run_here: Command
) -> None:
    done = run_here(*words("deploy.ray.fit", odd, tmp_path, "--recipe", "residual"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "python -m deploy.ray.fit: error: --recipe residual: its batch normalisation needs"
    )
    assert not (tmp_path / "runs").exists()


def photo(folder: Path, number: int) -> Sample:
    path = folder / f"{number}.png"
    content = pictures.encode(pictures.grey(striped(number, number, 64)))
    path.write_bytes(content if number != 7 else b"GIF89a broken")
    return Sample(path.name, number % 2, f"{number:064x}", path.read_bytes, "class")


def test_features_are_those_of_one_process_though_an_actor_is_killed(
    tmp_path: Path,
) -> None:
    from deploy.ray.photo_map import RayPhotoMap

    killed: list[int] = []
    processes = tmp_path / "processes"
    processes.mkdir()

    def map_and_kill(
        function: PhotoFunction, samples: Sequence[Sample]
    ) -> Iterator[tuple[int, np.ndarray | str]]:
        def compute(sample: Sample) -> np.ndarray | str:
            processes.joinpath(str(os.getpid())).touch()
            time.sleep(0.02)  # so that the actor dies with photos in its hands
            return function(sample)

        for result in RayPhotoMap(2)(compute, samples):
            if not killed:
                killed.append(kill_one("ray::MapWorker"))
            yield result

    extractor = Extractor("efficientnet-lite0", 96)
    samples = [photo(tmp_path, number) for number in range(300)]
    expected = compute_features(samples, extractor, tmp_path / "one")
    (tmp_path / "two").mkdir()
    folder = extractor.folder(tmp_path / "two")
    folder.mkdir()
    backbone = extractor.folder(tmp_path / "one") / "backbone.tflite"
    folder.joinpath("backbone.tflite").write_bytes(backbone.read_bytes())
    found = compute_features(samples, extractor, tmp_path / "two", map_photos=map_and_kill)
    assert killed
    assert len(list(processes.iterdir())) == 3, "two, and one instead of the killed one"
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.samples == expected.samples
    assert found.unreadable == expected.unreadable
    assert list(found.unreadable) == ["class/7.png"]
    # All are on disk: nothing is left to compute but the photo without features.
    left: list[Sample] = []

    def map_nothing(_: PhotoFunction, samples: Sequence[Sample]) -> Iterator[tuple[int, str]]:
        left.extend(samples)
        return iter(())

    compute_features(samples, extractor, tmp_path / "two", map_photos=map_nothing)
    assert [sample.name for sample in left] == ["7.png"]
