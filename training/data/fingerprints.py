"""Fingerprints of the photos that a model was trained on, kept with its version."""

from collections.abc import Iterable
from pathlib import Path

from training.data.samples import Sample

FINGERPRINTS = "training-photos.bin"
_BYTES = 8  # of each SHA-256: a photo that is not in the file is taken for one in it almost never


def short_fingerprint(sample: Sample) -> bytes:
    """Return the first 8 bytes of the photo's SHA-256."""
    return bytes.fromhex(sample.sha256)[:_BYTES]


def write_fingerprints(samples: Iterable[Sample], path: Path) -> None:
    """Write the sorted fingerprints of the photos, 8 bytes each, without anything between them."""
    path.write_bytes(b"".join(sorted({short_fingerprint(sample) for sample in samples})))


def read_fingerprints(path: Path) -> set[bytes]:
    """Return the fingerprints in a file that `write_fingerprints` wrote."""
    data = path.read_bytes()
    return {data[start : start + _BYTES] for start in range(0, len(data), _BYTES)}
