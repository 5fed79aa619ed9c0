"""Pictures that no camera took: noise, plain colours, drawings, patterns, text and pages."""

import io
import string
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

COUNT = 22  # pictures of each kind
_LETTERS = list(string.ascii_letters + string.digits + "  .,-")
_WHITE, _BLACK = (255, 255, 255), (20, 20, 20)


def made_pictures(count: int = COUNT) -> Iterator[tuple[str, bytes]]:
    """Make `count` pictures of each kind, the same ones in every call.

    Returns:
        The name of each picture, KIND-NUMBER, and the bytes of its PNG file.
    """
    for kind, draw in _KINDS.items():
        for number in range(count):
            image = draw(np.random.default_rng((number, list(_KINDS).index(kind))))
            file = io.BytesIO()
            image.save(file, "PNG")
            yield f"{kind}-{number}", file.getvalue()


def _noise(random: np.random.Generator) -> Image.Image:
    """Independent grey or coloured squares of 1 to 12 pixels."""
    width, height = _size(random)
    grain = int(random.integers(1, 13))
    channels = int(random.choice([1, 3]))
    shape = (-(-height // grain), -(-width // grain), channels)
    squares = random.integers(0, 256, shape, np.uint8).repeat(3 // channels, axis=2)
    pixels = squares.repeat(grain, axis=0).repeat(grain, axis=1)[:height, :width]
    return Image.fromarray(pixels)


def _plain(random: np.random.Generator) -> Image.Image:
    return Image.new("RGB", _size(random), _colour(random))


def _drawing(random: np.random.Generator) -> Image.Image:
    """2 to 30 ellipses, rectangles and lines on one colour."""
    image = _plain(random)
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(2, 31)):
        across = sorted(random.integers(0, image.width, 2).tolist())
        down = sorted(random.integers(0, image.height, 2).tolist())
        box = (across[0], down[0], across[1], down[1])
        shape = random.choice(["ellipse", "rectangle", "line"])
        getattr(draw, shape)(box, fill=_colour(random))
    return image


def _pattern(random: np.random.Generator) -> Image.Image:
    """Waves, stripes, squares or rings of two colours."""
    width, height = _size(random)
    rows, columns = np.indices((height, width))
    step, angle = random.integers(4, 60), random.uniform(0, np.pi)
    along = (np.cos(angle) * columns + np.sin(angle) * rows) / step
    across = (np.cos(angle) * rows - np.sin(angle) * columns) / step
    values = [
        (1 + np.sin(2 * np.pi * along)) / 2,
        np.floor(along) % 2,
        (np.floor(along) + np.floor(across)) % 2,
        np.floor(np.hypot(along, across)) % 2,
    ][random.integers(4)]
    one, other = (np.array(_colour(random)) for _ in range(2))
    mixed = one + values[..., np.newaxis] * (other - one)
    return Image.fromarray(mixed.astype(np.uint8))


def _text(random: np.random.Generator) -> Image.Image:
    """Lines of random letters."""
    background, ink = random.permutation([_WHITE, _BLACK]).tolist()
    image = Image.new("RGB", _size(random), tuple(background))
    _write(random, ImageDraw.Draw(image), (8, 8, *image.size), tuple(ink))
    return image


def _page(random: np.random.Generator) -> Image.Image:
    """A screen of an invented program: a bar with a title, a menu, boxes of text, a button."""
    background, ink = random.permutation([_WHITE, _BLACK]).tolist()
    width, height = _size(random)
    image = Image.new("RGB", (width, height), tuple(background))
    draw = ImageDraw.Draw(image)
    bar, menu = height // 10, int(width * random.uniform(0.15, 0.35))
    draw.rectangle((0, 0, width, bar), fill=_colour(random))
    _write(random, draw, (8, 2, width // 2, bar), _WHITE)
    draw.rectangle((0, bar, menu, height), fill=(128, 136, 144))
    _write(random, draw, (4, bar + 4, menu, height), _BLACK)
    boxes = int(random.integers(1, 4))
    for number in range(boxes):
        top = bar + 10 + number * (height - bar) // boxes
        box = (menu + 10, top, width - 10, top + (height - bar) // boxes - 20)
        draw.rectangle(box, outline=(128, 136, 144))
        _write(random, draw, (box[0] + 6, box[1] + 6, box[2], box[3]), tuple(ink))
    draw.rounded_rectangle((width - 90, height - 40, width - 20, height - 16), 6, _colour(random))
    return image


def _write(
    random: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    ink: tuple[int, ...],
) -> None:
    """Write lines of random letters into a box: left, top, right, bottom."""
    left, top, right, bottom = box
    size = int(random.integers(9, 25))
    font = ImageFont.load_default(size)
    for line in range(top, bottom - size, size + 4):
        count = int((right - left) / size * random.uniform(0.3, 1.6))
        draw.text((left, line), "".join(random.choice(_LETTERS, count)), ink, font)


def _size(random: np.random.Generator) -> tuple[int, int]:
    """Return a random width and height in pixels."""
    width, height = random.integers(180, 641, 2).tolist()
    return width, height


def _colour(random: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = random.integers(0, 256, 3).tolist()
    return red, green, blue


_KINDS: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "noise": _noise,
    "plain": _plain,
    "drawing": _drawing,
    "pattern": _pattern,
    "text": _text,
    "page": _page,
}
