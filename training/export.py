"""Convert the network of a published version to LiteRT again.

    python -m training.export models/cats-vs-dogs/1

Use it for a version without the file that `/explain` and `/layers` need, or after the conversion
was improved. All other files in the folder stay as they are.
"""

from pathlib import Path

from app.model.card import EXPLAIN, LITERT
from app.model.version_folder import find_version
from training.cli import Parser, command
from training.publishing.litert import reconvert

PROG = "python -m training.export"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Make a published version's LiteRT files anew.")
    parser.add_argument("model", type=Path, help="a version folder, e.g. models/cats-vs-dogs/1")
    folder = find_version(parser.parse_args().model)
    reconvert(folder)
    print(f"made {folder / LITERT} and {folder / EXPLAIN}")


if __name__ == "__main__":
    main()
