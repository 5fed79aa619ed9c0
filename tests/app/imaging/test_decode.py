"""The decoder: every kind of file that people upload, and every way in which one is broken."""

import io
import struct
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from app.imaging import decode as images
from app.imaging import errors
from app.imaging.formats import FORMATS
from tests import pictures
from tests.conftest import ROOT


def decode(data: bytes, channels: int = 3, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return images.decode(data, *size, channels)


def reference(channels: int = 3) -> np.ndarray:
    """The gradient as decoded from a file that loses nothing."""
    return decode(pictures.encode(pictures.gradient(), "PNG"), channels).astype(int)


@pytest.mark.parametrize("name", FORMATS)
def test_every_accepted_format_gives_the_same_picture(name: str) -> None:
    options = {} if name in ("PNG", "GIF", "BMP", "TIFF") else {"quality": 95}
    got = decode(pictures.encode(pictures.gradient(), name, **options))
    assert got.shape == (48, 64, 3)
    assert got.dtype == np.uint8
    tolerance = 12 if name == "GIF" else 3  # GIF has 256 colours
    assert np.abs(got - reference()).mean() < tolerance


def test_one_channel_is_luminance() -> None:
    got = decode(pictures.encode(pictures.gradient(), "PNG"), channels=1)
    assert got.shape == (48, 64, 1)
    rgb = np.asarray(pictures.gradient()).astype(float)
    expected = rgb @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    assert np.abs(got[..., 0] - expected).max() <= 1


def test_the_result_is_stretched_not_cropped() -> None:
    got = decode(pictures.encode(pictures.gradient(200, 50), "PNG"), size=(30, 30))
    assert got.shape == (30, 30, 3)
    assert got[0, 0].tolist() == pytest.approx([3, 3, 128], abs=6)
    assert got[-1, -1].tolist() == pytest.approx([252, 252, 128], abs=6)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(name: str, orientation: int) -> None:
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = pictures.gradient() if undo is None else pictures.gradient().transpose(undo)
    got = decode(pictures.with_orientation(stored, orientation, name))
    assert np.abs(got - reference()).mean() < 3


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0"]
)
def test_a_damaged_exif_block_counts_as_none(exif: bytes) -> None:
    got = decode(pictures.encode(pictures.gradient(), "JPEG", exif=exif, quality=95))
    assert np.abs(got - reference()).mean() < 3


def test_cmyk_is_converted() -> None:
    cmyk = pictures.gradient().convert("CMYK")
    got = decode(pictures.encode(cmyk, "JPEG", quality=95))
    assert np.abs(got - reference()).mean() < 3


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(name: str) -> None:
    ramp = np.linspace(0, 65535, 64).round().astype(np.uint16)
    picture = Image.fromarray(np.tile(ramp, (48, 1)))
    got = decode(pictures.encode(picture, name), channels=1)
    assert np.abs(got[0, :, 0] - np.linspace(0, 255, 64)).max() <= 1


@pytest.mark.parametrize("mode", ["P", "1", "L", "LA", "PA", "RGBA", "RGBX", "YCbCr", "HSV"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_type_is_decoded(mode: str, channels: int) -> None:
    name = {"PA": "GIF", "RGBX": "TIFF", "YCbCr": "JPEG", "HSV": "PNG"}.get(mode, "PNG")
    picture = pictures.gradient().convert("RGB" if mode in ("PA", "HSV") else mode)
    got = decode(pictures.encode(picture, name), channels)
    assert got.shape == (48, 64, channels)
    assert got.std() > 20


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_white(mode: str) -> None:
    picture = Image.new("RGBA", (64, 48), (0, 0, 0, 0)).convert(mode)
    options = {"transparency": picture.getpixel((0, 0))} if mode == "P" else {}
    assert decode(pictures.encode(picture, "PNG", **options)).min() == 255


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(name: str) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue", "green")]
    data = pictures.encode(frames[0], name, save_all=True, append_images=frames[1:])
    assert decode(data).mean(axis=(0, 1)).tolist() == pytest.approx([255, 0, 0], abs=4)


def test_a_large_jpeg_looks_as_if_decoded_in_full() -> None:
    large = pictures.gradient().resize((4000, 3000), Image.Resampling.BICUBIC)
    got = images.decode(pictures.encode(large, "JPEG"), 180, 180, 3).astype(int)
    full = np.asarray(large.resize((180, 180), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(got - full).mean() < 2


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 420), (760, 500)])
def test_a_detailed_jpeg_is_reduced_by_the_filter_and_not_more(width: int, height: int) -> None:
    data = pictures.encode(pictures.noise(3, width, height), "JPEG", quality=95)
    opened = Image.open(io.BytesIO(data))
    if min(width, height) >= 2 * 180:  # as large as needed in both orientations
        opened.draft("RGB", (width // 2, height // 2))
    expected = opened.resize((150, 180), Image.Resampling.BILINEAR)
    got = decode(data, size=(180, 150))
    assert np.abs(got.astype(int) - np.asarray(expected)).mean() < 0.1


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_broken(name: str, share: float) -> None:
    data = pictures.encode(pictures.noise(1, 100, 100), name)
    cut = data[: max(12, int(len(data) * share))]
    with pytest.raises(errors.BrokenPhoto, match=f"{name} file is broken"):
        decode(cut)


@pytest.mark.parametrize(
    "data",
    [
        b"hello, this is no photo",
        b"%PDF-1.7 ...",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x00" * 100,
        b"PK\x03\x04" + b"\x00" * 60,
        b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 60,
        pictures.encode(pictures.gradient(), "ICO"),
        pictures.encode(pictures.gradient(), "PPM"),
    ],
    ids=["text", "pdf", "svg", "zeros", "zip", "mp4", "ico", "ppm"],
)
def test_what_is_not_an_accepted_format_is_unsupported(data: bytes) -> None:
    with pytest.raises(
        errors.UnsupportedFormat, match="JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIC"
    ):
        decode(data)


def test_zero_bytes_are_an_empty_photo() -> None:
    with pytest.raises(errors.EmptyPhoto, match="0 bytes"):
        decode(b"")


@pytest.mark.parametrize("side", [8_001, 10_000, 20_000, 60_000])
def test_too_many_pixels_are_refused_by_the_header(side: int) -> None:
    with pytest.raises(errors.TooManyPixels, match="at most 64,000,000"):
        decode(pictures.png_claiming(side, side))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "JPEG"])
@pytest.mark.parametrize("side", [8_200, 16_000])
def test_a_bomb_of_any_format_is_refused_by_its_header(name: str, side: int) -> None:
    data = pictures.claiming(name, side)
    with pytest.raises(errors.TooManyPixels):
        decode(data)


def test_a_heic_is_not_turned_by_its_exif_tag() -> None:
    # ISO/IEC 23008-12: the file's own boxes turn it, and cameras write both.
    exif = Image.Exif()
    exif[0x0112] = 6
    got = decode(pictures.encode(pictures.gradient(), "HEIC", quality=95, exif=exif))
    assert np.abs(got - reference()).mean() < 3


def test_the_container_brand_does_not_decide_between_avif_and_heic() -> None:
    for name in ("AVIF", "HEIC"):
        data = pictures.encode(pictures.gradient(), name, quality=95)
        brand = data[:8] + b"mif1" + data[12:]
        assert np.abs(decode(brand) - reference()).mean() < 3


def test_only_the_formats_that_are_asked_for_are_decoded() -> None:
    data = pictures.encode(pictures.gradient(), "GIF")
    with pytest.raises(errors.UnsupportedFormat, match="format: JPEG, PNG"):
        images.decode(data, 8, 8, 3, formats=("JPEG", "PNG"))


def test_the_pixel_limit_is_exact() -> None:
    data = pictures.encode(pictures.gradient(64, 48), "PNG")
    assert images.decode(data, 8, 8, 3, max_pixels=64 * 48).shape == (8, 8, 3)
    with pytest.raises(errors.TooManyPixels, match="64 x 48 = 3,072 pixels") as caught:
        images.decode(data, 8, 8, 3, max_pixels=64 * 48 - 1)
    assert (caught.value.limit, caught.value.actual) == (3071, 3072)


@pytest.mark.parametrize("mode", ["I", "F", "LAB"])
def test_pixel_types_without_a_range_are_refused(mode: str) -> None:
    with pytest.raises(errors.UnsupportedPixels, match=mode):
        decode(pictures.encode(Image.new(mode, (8, 8)), "TIFF"))


def test_a_one_pixel_photo_is_a_photo() -> None:
    assert decode(pictures.encode(Image.new("RGB", (1, 1), "red"))).shape == (48, 64, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_bytes_never_raise_anything_else(name: str) -> None:
    data = pictures.encode(pictures.noise(2, 40, 40), name)
    random = np.random.default_rng(3)
    for _ in range(150):
        damaged = np.frombuffer(data, np.uint8).copy()
        places = random.integers(0, len(damaged), random.integers(1, 20))
        damaged[places] = random.integers(0, 256, len(places))
        with suppress(errors.PhotoError):
            assert decode(damaged.tobytes()).shape == (48, 64, 3)


def test_a_jpeg_whose_size_was_forged_is_refused() -> None:
    data = bytearray(pictures.encode(pictures.gradient(), "JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", 65500, 65500)
    with pytest.raises(errors.TooManyPixels):
        decode(bytes(data))


def test_decoding_does_not_depend_on_earlier_calls() -> None:
    first = decode(pictures.encode(pictures.noise(1)))
    decode(pictures.encode(pictures.noise(2)))
    again = decode(pictures.encode(pictures.noise(1)))
    assert (first == again).all()
    assert again.flags.writeable
    assert Image.open(io.BytesIO(pictures.encode(pictures.noise(1)))).size == (64, 64)


def test_a_preview_has_the_limits_of_decoding() -> None:
    data = pictures.encode(pictures.gradient(60, 40), "PNG")
    assert images.preview(data, 30, max_pixels=2400).size == (30, 20)
    with pytest.raises(errors.TooManyPixels):
        images.preview(data, 30, max_pixels=2399)
    with pytest.raises(errors.UnsupportedFormat, match=r": GIF\."):
        images.preview(data, 30, formats=("GIF",))


def test_a_preview_of_a_large_jpeg_is_reduced_no_more_than_to_its_size() -> None:
    data = pictures.encode(pictures.noise(3, 400, 300), "JPEG", quality=95)
    expected = Image.open(io.BytesIO(data)).resize((360, 270), Image.Resampling.BILINEAR)
    got = images.preview(data, 360)
    assert np.abs(np.asarray(got).astype(int) - np.asarray(expected)).mean() < 0.1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("two\n  lines", "two lines"),
        ("see /etc/passwd", "ValueError"),
        ("", "ValueError"),
        ("x" * 121, "x" * 120),
    ],
)
def test_the_reason_is_one_short_line_without_paths(
    monkeypatch: pytest.MonkeyPatch, said: str, reason: str
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(said)

    monkeypatch.setattr(images, "eight_bit", fail)
    with pytest.raises(errors.BrokenPhoto) as caught:
        decode(pictures.encode(pictures.gradient()))
    assert str(caught.value) == (
        f"The PNG file is broken and cannot be decoded ({reason}). "
        "Send the complete, undamaged file."
    )


def test_a_damaged_header_is_called_so() -> None:
    data = pictures.encode(pictures.gradient(), "GIF")[:8]
    with pytest.raises(errors.BrokenPhoto, match=r"\(its header is damaged or cut off\)"):
        decode(data)


def test_a_process_that_never_saw_a_heic_decodes_one() -> None:
    """Here the tests have registered the plugin before."""
    data = pictures.encode(pictures.gradient(), "HEIC", quality=95)
    code = (
        "import sys; from app.imaging.decode import decode; "
        "sys.stdout.buffer.write(decode(sys.stdin.buffer.read(), 48, 64, 3).tobytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, cwd=ROOT)
    assert done.stdout == decode(data).tobytes()


def test_16_bit_grey_is_rounded() -> None:
    values = np.array([[128, 129, 385, 386, 65406, 65407]], np.uint16)
    data = pictures.encode(Image.fromarray(values), "PNG")
    assert decode(data, 1, (1, 6)).ravel().tolist() == [0, 1, 1, 2, 254, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_a_preview_is_in_colour_whatever_the_file_is_in(mode: str) -> None:
    data = pictures.encode(pictures.gradient().convert(mode), "TIFF")
    assert images.preview(data, 20).mode == "RGB"
