"""Forms with anything in them, in any legal form, cut off anywhere."""

import asyncio
import time

import pytest

from app.api.uploads.multipart import Form, FormError, TooManyFiles, read_form

TYPE = "multipart/form-data; boundary=edge"
PHOTO = b"\xff\xd8\r\n--edg\r\n\r\n--edge!\r" + bytes(range(256))


def part(disposition: str, content: bytes = b"") -> bytes:
    head = f"--edge\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; {disposition}"
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


BODY = (
    part('name="note"', b"hello")
    + part('name="file"; filename="one.jpg"', PHOTO)
    + part('name="other"; filename="two.jpg"', b"not wanted")
    + part('name="file"; filename=""')
    + b"--edge--\r\n"
)


def read(body: bytes, field: str = "file", most: int = 10) -> Form:
    return asyncio.run(read_form(TYPE, body, field, most))


def test_a_form_is_read() -> None:
    form = read(BODY)
    assert form.files == [PHOTO, b""]
    assert form.texts == 0
    assert form.names == {"note", "file", "other"}


UNUSUAL = {
    "a preamble": b"This is a message in several parts.\r\n" + BODY,
    "an empty line first": b"\r\n" + BODY,
    "folded headers": BODY.replace(b"form-data; ", b"form-data;\r\n\t "),
    "an epilogue": BODY + b"and so on",
    "spaces behind the boundary": BODY.replace(b"--edge\r\n", b"--edge \t\r\n"),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_a_form_may_be_unusual(name: str) -> None:
    form = read(UNUSUAL[name])
    assert form.files == [PHOTO, b""]
    assert (form.texts, form.names) == (0, {"note", "file", "other"})
    assert read(UNUSUAL[name], most=3).files == [PHOTO, b""]
    with pytest.raises(TooManyFiles, match="number of files is 2"):
        read(UNUSUAL[name], most=2)


FILES = {
    "filename": 'form-data; name="file"; filename="a.jpg"',
    "filename of RFC 5987": "form-data; name=\"file\"; filename*=UTF-8''k%C3%A4tzchen.jpg",
    "both": 'form-data; name="file"; filename="a.jpg"; filename*=UTF-8\'\'a.jpg',
    "an image's type": 'form-data; name="file"',
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("preamble", [b"", b"hello\r\n"])
def test_what_is_a_file_counts_as_one(name: str, preamble: bytes) -> None:
    kind = "image/jpeg" if name == "an image's type" else "application/octet-stream"
    head = f"--edge\r\nContent-Disposition: {FILES[name]}\r\nContent-Type: {kind}\r\n\r\n"
    form = read(preamble + head.encode() + PHOTO + b"\r\n--edge--\r\n")
    assert (form.files, form.texts) == ([PHOTO], 0)


def test_texts_in_the_field_are_counted_and_no_file() -> None:
    form = read(BODY, field="note")
    assert (form.files, form.texts) == ([], 1)


def test_a_form_that_is_cut_off_anywhere_is_an_error() -> None:
    whole = len(BODY) - len("\r\n")  # which nothing needs
    for end in range(whole):
        with pytest.raises(FormError, match="cut off"):
            read(BODY[:end])
    assert read(BODY[:whole]).files == [PHOTO, b""]


def test_files_and_texts_have_a_limit_each() -> None:
    assert read(BODY, most=3).files == [PHOTO, b""]
    with pytest.raises(TooManyFiles, match="number of files is 2"):
        read(BODY, most=2)
    with pytest.raises(FormError, match="number of fields is 1") as caught:
        read(part('name="a"') + part('name="b"') + b"--edge--", most=1)
    assert not isinstance(caught.value, TooManyFiles)


def test_a_name_may_be_in_any_letters_and_in_none() -> None:
    odd = part('name="?"').replace(b"?", b"\xff")
    assert read(part('name="фото"') + odd + b"--edge--").names == {"фото", "ÿ"}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("multipart/form-data", "boundary"),
        ("multipart/form-data; boundary=", "Invalid"),
        (f"multipart/form-data; boundary={'x' * 300}", "Invalid"),
    ],
)
def test_a_boundary_is_needed(kind: str, why: str) -> None:
    with pytest.raises(FormError, match=why):
        asyncio.run(read_form(kind, BODY, "file", 10))


@pytest.mark.parametrize("count", [20, 3_000_000])
@pytest.mark.parametrize(
    ("start", "repeated"),
    [
        (b"hello\r\n--edge\r\n", b"\n"),
        (b"--edge\r\n", b"a: b\r\n c\r\n"),
        (b"x\r\n", b"--edge\r\n\r\n\r\n"),
        (b"x\r\n--edge\r\na: b", b"\r\n "),
        (b"x\r\n--edge", b" "),
        (b"x", b"\r\n--edge \t \t"),
    ],
)
def test_a_form_of_nonsense_stops_nobody_for_long(
    start: bytes, repeated: bytes, count: int
) -> None:
    body = start + repeated * (count // len(repeated) + 1)
    began = time.perf_counter()
    with pytest.raises(FormError):
        read(body)
    assert time.perf_counter() - began < 2


def test_a_photo_with_something_like_a_boundary_in_it_is_left_as_it_is() -> None:
    photo = b"\r\n--edge!a: b\r\n folded\r\n\r\n\r\n--edgeb: c\r\n\tx\r\n\r\n"
    body = b"preamble\r\n" + part('name="file"; filename="a"', photo) + b"--edge--\r\n"
    assert read(body).files == [photo]


def test_a_boundary_that_stands_everywhere_is_refused_at_once() -> None:
    nearly = part('name="file"; filename="a"', b"\r\n--edge!" * 2_000_000) + b"--edge--\r\n"
    began = time.perf_counter()
    with pytest.raises(TooManyFiles, match="boundary stands in it more than 100 times"):
        read(nearly)
    assert time.perf_counter() - began < 1
