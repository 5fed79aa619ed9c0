"""Run one measurement in a separate process, since Keras does not free all memory of a training."""

import os
import subprocess
import sys

from app.cli import CommandError


def run_module(module: str, words: list[str], what: str) -> str:
    """Run `python -m MODULE WORDS` and return the last line of its output.

    Raises:
        CommandError: it failed; the message has `what` and the last line of its errors.
    """
    # The command is this interpreter with a module of this project, without a shell.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", module, *words],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"{what}: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
    return done.stdout.strip().splitlines()[-1]
