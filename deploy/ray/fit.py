"""Train a recipe on Ray and publish it, as `python -m training.fit` does on one machine.

python -m deploy.ray.fit --data photos --name fruit --workers 2
python -m deploy.ray.fit --data /shared/photos --name fruit --address auto --workers 8 --cores 16
python -m deploy.ray.fit --data photos --name fruit --workers 2 --resume

All options of `training.fit` apply. Ray decodes the photos and computes the features of the
backbone on all its cores. The workers fine-tune the network, or train it from random weights. This
process fits the last layer, tests the network and publishes it.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import CommandError, command, natural, positive
from deploy.ray.connect import prepare
from training.fit import make_parser, run

if TYPE_CHECKING:
    from training.config import TrainingConfig
    from training.engine import Engine

PROG = "python -m deploy.ray.fit"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = make_parser(PROG)
    parser.add_argument("--workers", type=positive, default=2, help="that train the network")
    parser.add_argument("--cores", type=positive, default=1, help="of each worker")
    parser.add_argument("--restarts", type=natural, default=3, help="of workers that died, at most")
    parser.add_argument("--address", help="of a running Ray; default: one of its own, here")
    arguments = parser.parse_args()
    if os.environ.setdefault("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise CommandError("KERAS_BACKEND: the workers train on tensorflow alone.")
    prepare(arguments.address)
    for name in ("data", "models", "runs", "cache"):  # a worker may run in another folder
        path: Path | None = getattr(arguments, name)
        setattr(arguments, name, path and path.absolute())

    def make(config: "TrainingConfig") -> "Engine":
        from deploy.ray.fit_engine import make_engine

        return make_engine(config, arguments)

    run(arguments, make)


if __name__ == "__main__":
    main()
