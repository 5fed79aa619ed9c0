"""The time left that the progress bar of a training shows."""

import re

import pytest

from training.loop.callbacks import ProgressBar


class Clock:
    """The time in seconds, for tqdm."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tqdm.std.time", clock)
    return clock


@pytest.mark.parametrize("finished", [0, 3])
@pytest.mark.parametrize("compiling", [5, 60, 600])
def test_the_time_of_compiling_is_no_part_of_the_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str], compiling: int, finished: int
) -> None:
    bar = ProgressBar(epochs=10, batches=100, finished=finished)
    for _ in range(2):  # two stages, each of which compiles
        bar.on_train_begin()
        for batch in range(60):
            clock.now += compiling if batch == 0 else 1
            bar.on_train_batch_end(batch)
    bar.close()
    shown = re.findall(r"<(.*?),", capsys.readouterr().err)
    minutes = {int(text.split(":")[0]) for text in shown if "?" not in text}
    assert len(shown) > 10
    assert all(text.count(":") == 1 for text in shown if "?" not in text), shown
    assert max(minutes) <= 17
