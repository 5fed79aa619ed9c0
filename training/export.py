"""Make the LiteRT files of a published version anew from its network.

For a version that was published without what `/explain` and `/layers` need, or by a slower
conversion. Everything else in the folder stays as it is:

    python -m training.export models/cats-vs-dogs/1
"""

from pathlib import Path

from app.model.card import EXPLAIN, LITERT, find_version
from training.cli import Parser, run
from training.publishing.litert import convert_again

PROG = "python -m training.export"


def main() -> None:
    """Make a published version's LiteRT files anew, checked, or change nothing."""
    parser = Parser(PROG, description="Make a published version's LiteRT files anew.")
    parser.add_argument("model", type=Path, help="a version folder, e.g. models/cats-vs-dogs/1")
    folder = find_version(parser.parse_args().model)
    convert_again(folder)
    print(f"made {folder / LITERT} and {folder / EXPLAIN}")


if __name__ == "__main__":
    run(PROG, main)
