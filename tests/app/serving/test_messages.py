"""What workers and the service write to each other."""

import io

import pytest

from app.imaging import errors
from app.model.explainer import NotExplainable
from app.serving import messages
from app.serving.messages import Incoming, WorkerDefect, from_error, packed, to_error

FIRST: messages.Message = (
    {"job": "classify", "alone": False},
    [b"one photo", b"", b"\x00\xff" * 3000],
)
SECOND: messages.Message = ({"ready": True, "text": "Stäbe \u2603"}, [])


def test_a_message_is_read_as_it_was_written() -> None:
    file = io.BytesIO(packed(*FIRST) + packed(*SECOND))
    assert messages.read(file) == FIRST
    assert messages.read(file) == SECOND
    assert messages.read(file) is None


@pytest.mark.parametrize("step", [1, 7, 5000, 100_000])
def test_messages_come_in_parts_of_any_size(step: int) -> None:
    data = packed(*FIRST) + packed(*SECOND) + packed(*FIRST)
    incoming = Incoming()
    found = []
    for start in range(0, len(data), step):
        found += list(incoming.feed(data[start : start + step]))
    assert found == [FIRST, SECOND, FIRST]


def test_an_endless_message_is_refused_at_its_beginning() -> None:
    with pytest.raises(ValueError, match="a message of 4,294,967,295 bytes"):
        list(Incoming().feed(b"\x00" * 4 + b"\xff" * 4))


@pytest.mark.parametrize(
    "error",
    [
        errors.EmptyPhoto(),
        errors.UnsupportedFormat(["JPEG", "PNG"]),
        errors.BrokenPhoto("JPEG", "cut off"),
        errors.UnsupportedPixels("F"),
        errors.TooManyPixels(100, (20, 7)),
        errors.TooManyPixels(100, None),
        errors.TooExpensive("5 seconds"),
        NotExplainable("The model cannot be explained."),
    ],
)
def test_an_error_comes_out_as_it_went_in(error: Exception) -> None:
    again = to_error(from_error(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("name", ["", "SystemExit", "DecoderCrashed", "__class__"])
def test_any_other_error_is_a_defect(name: str) -> None:
    error = to_error({"error": name, "message": "Traceback ...", "members": {}})
    assert type(error) is WorkerDefect
    assert str(error) == "Traceback ..."
