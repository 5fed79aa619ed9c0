"""Every kind of bad request to /predict that we could think of, and the answer it must get."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from app.imaging.formats import FORMATS
from tests import pictures

_PHOTO = pictures.encode(pictures.noise(1, 100, 100), "JPEG")
_BOUNDARY = "multipart/form-data; boundary=x"
_UNENDED = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    + _PHOTO
    + b"\r\n--x"
)


@dataclass(frozen=True)
class BadUpload:
    """A request and what it must be answered with."""

    name: str
    status: int
    kind: str
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    files: Any = None
    method: str = "POST"


def _raw(name: str, status: int, kind: str, content: bytes, media: str = "image/jpeg") -> BadUpload:
    return BadUpload(name, status, kind, content, {"Content-Type": media})


def _form(name: str, status: int, kind: str, files: Any) -> BadUpload:
    return BadUpload(name, status, kind, files=files)


def _chunks(total: int) -> Iterator[bytes]:
    for _ in range(total // 65536):
        yield bytes(65536)


def _truncated(name: str) -> bytes:
    data = pictures.encode(pictures.noise(1, 100, 100), name)
    return data[: len(data) // 2]


def _part(disposition: str) -> bytes:
    return f"--x\r\nContent-Disposition: {disposition}\r\n\r\nabc\r\n--x--\r\n".encode()


BAD_JSON = [
    ("cut off", 400, "malformed-body", b'{"image": "'),
    ("of nothing", 400, "malformed-body", b""),
    ("in UTF-16", 400, "malformed-body", '{"image": ""}'.encode("utf-16")),
    ("nested without end", 400, "malformed-body", b"[" * 100_000),
    ("list", 422, "missing-field", b'["image"]'),
    ("without image", 422, "missing-field", b'{"picture": ""}'),
    ("number", 422, "not-base64", b'{"image": 1}'),
    ("null", 422, "not-base64", b'{"image": null}'),
    ("empty string", 422, "empty-photo", b'{"image": ""}'),
    ("no base64", 422, "not-base64", b'{"image": "I am a cat!"}'),
    ("not ASCII", 422, "not-base64", '{"image": "Kätzchen"}'.encode()),
    ("one character", 422, "not-base64", b'{"image": "A"}'),
    ("address", 422, "not-base64", b'{"image": "http://127.0.0.1/photo.jpg"}'),
    ("data URI of text", 422, "not-base64", b'{"image": "data:image/svg+xml,<svg/>"}'),
    ("data URI of HTML", 415, "unsupported-format", b'{"image": "data:text/html;base64,PGh0bWw+"}'),
    ("base64 of text", 415, "unsupported-format", b'{"image": "SSBhbSBhIGNhdA=="}'),
]

BAD_UPLOADS = [
    _raw("zero bytes, raw", 422, "empty-photo", b""),
    _form("zero bytes, multipart", 422, "empty-photo", {"file": ("a.jpg", b"")}),
    _raw("plain text", 415, "unsupported-format", b"I am a cat"),
    _raw("HTML page", 415, "unsupported-format", b"<!doctype html><html></html>"),
    _raw("SVG", 415, "unsupported-format", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    _raw("PDF", 415, "unsupported-format", b"%PDF-1.7\n" + bytes(500)),
    _raw("zip", 415, "unsupported-format", b"PK\x03\x04" + bytes(500)),
    _raw("MP4", 415, "unsupported-format", b"\0\0\0\x18ftypmp42" + bytes(500)),
    _raw("HEIC header only", 422, "broken-photo", b"\0\0\0\x18ftypheic" + bytes(500)),
    _raw("ICO", 415, "unsupported-format", pictures.encode(pictures.gradient(), "ICO")),
    _raw("PostScript", 415, "unsupported-format", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    _raw("random bytes", 415, "unsupported-format", bytes(range(1, 256)) * 20),
    _raw("JPEG signature only", 422, "broken-photo", b"\xff\xd8\xff\xe0"),
    _raw("PNG signature only", 422, "broken-photo", b"\x89PNG\r\n\x1a\n"),
    *(_raw(f"truncated {name}", 422, "broken-photo", _truncated(name)) for name in FORMATS),
    _raw("PNG of 60000 x 60000", 413, "too-many-pixels", pictures.png_claiming(60000, 60000)),
    _raw("PNG of 8001 x 8000", 413, "too-many-pixels", pictures.png_claiming(8001, 8000)),
    _raw(
        "32-bit float TIFF",
        422,
        "unsupported-pixels",
        pictures.encode(Image.new("F", (8, 8)), "TIFF"),
    ),
    _raw("21 MB, length declared", 413, "too-many-bytes", _PHOTO + bytes(21 * 1024 * 1024)),
    BadUpload(
        "21 MB, chunked, no length",
        413,
        "too-many-bytes",
        lambda: _chunks(21 * 1024 * 1024),
        {"Content-Type": "image/jpeg"},
    ),
    _form("21 MB, multipart", 413, "too-many-bytes", {"file": ("a.jpg", bytes(21 * 1024 * 1024))}),
    _form("wrong field name", 422, "missing-field", {"photo": ("a.jpg", _PHOTO)}),
    _form("no field", 422, "missing-field", {"": (None, "")}),
    _form("two files", 422, "repeated-field", [("file", ("a", _PHOTO)), ("file", ("b", _PHOTO))]),
    _form("text in the field", 422, "not-a-file", {"file": (None, "hello")}),
    _form("eleven files", 400, "malformed-body", [("file", ("a", _PHOTO))] * 11),
    _raw("multipart without boundary", 400, "malformed-body", b"abc", "multipart/form-data"),
    _raw("multipart that is none", 400, "malformed-body", b"\0garbage", _BOUNDARY),
    _raw("multipart cut off", 400, "malformed-body", b"--x\r\nContent-Dispo", _BOUNDARY),
    _raw("multipart without its last boundary", 400, "malformed-body", _UNENDED, _BOUNDARY),
    _raw("part without name", 400, "malformed-body", _part("form-data"), _BOUNDARY),
    BadUpload("no content type", 415, "unsupported-media-type", _PHOTO),
    *(
        _raw(f"JSON {name}", status, kind, body, "application/json; charset=utf-8")
        for name, status, kind, body in BAD_JSON
    ),
    BadUpload(
        "gzipped",
        415,
        "unsupported-coding",
        gzip.compress(_PHOTO),
        {"Content-Type": "image/jpeg", "Content-Encoding": "gzip"},
    ),
    _raw("octet-stream", 415, "unsupported-media-type", _PHOTO, "application/octet-stream"),
    _raw("video", 415, "unsupported-media-type", _PHOTO, "video/mp4"),
    _raw("nonsense content type", 415, "unsupported-media-type", _PHOTO, "//;;="),
    _raw(
        "form-urlencoded",
        415,
        "unsupported-media-type",
        b"a=b",
        "application/x-www-form-urlencoded",
    ),
    BadUpload("GET", 405, "method-not-allowed", method="GET"),
    BadUpload("PUT", 405, "method-not-allowed", _PHOTO, method="PUT"),
    BadUpload("DELETE", 405, "method-not-allowed", method="DELETE"),
]
