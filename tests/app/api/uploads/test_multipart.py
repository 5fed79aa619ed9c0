"""Forms as they stream in: cut into any pieces, with anything in them, cut off anywhere."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.api.uploads.multipart import Form, FormError, TooManyFiles, read_form

TYPE = "multipart/form-data; boundary=edge"
PHOTO = b"\xff\xd8\r\n--edg\r\n\r\n--edge!\r" + bytes(range(256))


def part(disposition: str, content: bytes = b"") -> bytes:
    head = f"--edge\r\nContent-Type: image/jpeg\r\ncontent-disposition: form-data; {disposition}"
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


BODY = (
    part('name="note"', b"hello")
    + part('name="file"; filename="one.jpg"', PHOTO)
    + part('name="other"; filename="two.jpg"', b"not wanted")
    + part('name="file"; filename=""')
    + b"--edge--\r\n"
)


def read(body: bytes, size: int = 10_000, field: str = "file", most: int = 10) -> Form:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return asyncio.run(read_form(TYPE, pieces(), field, most, 10**7))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
def test_a_form_is_read_in_pieces_of_any_size(size: int) -> None:
    form = read(BODY, size)
    assert form.files == [PHOTO, b""]
    assert form.texts == 0
    assert form.names == {"note", "file", "other"}


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
    async def body() -> AsyncGenerator[bytes, None]:
        yield BODY

    with pytest.raises(FormError, match=why):
        asyncio.run(read_form(kind, body(), "file", 10, 10**7))
