"""LZW streams of zeros, in which each code stands for a longer run than the one before."""

from collections.abc import Iterator

_CLEAR, _END, _FIRST = 256, 257, 258  # codes; `_FIRST` is the first free one


def lzw_zeros(count: int, *, tiff: bool = True) -> bytes:
    """An LZW stream of `count` zero bytes, as in a TIFF (else as in a GIF with 256 colours)."""
    codes = 4096 - _FIRST - 2
    cycle, run = _cycle(codes, tiff), codes * (codes + 1) // 2
    cycles, rest = divmod(count, run)
    bits = [cycle] * cycles
    while rest:
        codes = int((2 * rest + 0.25) ** 0.5 - 0.5)  # the longest cycle that fits
        bits.append(_cycle(codes, tiff))
        rest -= codes * (codes + 1) // 2
    text = _bits(_CLEAR, 9, tiff) + "".join(bits) + _bits(_END, 9, tiff)
    text += "0" * (-len(text) % 8)
    if tiff:
        return int(text, 2).to_bytes(len(text) // 8, "big")
    return int(text[::-1], 2).to_bytes(len(text) // 8, "little")


def _cycle(codes: int, tiff: bool) -> str:
    """The bits of `codes` codes and of a clear code; together they stand for zeros."""
    return "".join(_bits(code, width, tiff) for code, width in _codes(codes, early=int(tiff)))


def _codes(count: int, early: int) -> Iterator[tuple[int, int]]:
    for number in range(count + 1):
        # Each code but the first adds one to the table; a TIFF's width grows one code earlier.
        free = _FIRST + max(0, number - 1) + early
        code = _CLEAR if number == count else 0 if number == 0 else _FIRST + number - 1
        yield code, max(9, free.bit_length())


def _bits(code: int, width: int, highest_first: bool) -> str:
    text = f"{code:0{width}b}"
    return text if highest_first else text[::-1]
