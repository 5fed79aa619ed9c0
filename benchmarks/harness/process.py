"""One measurement in a process of its own: Keras leaves memory behind after each training."""

import os
import subprocess
import sys

from training.cli import CommandError


def last_line(module: str, words: list[str], what: str) -> str:
    """Run `python -m MODULE WORDS`; the last line that it prints.

    Raises:
        CommandError: it failed; the message has `what` and the last line of its errors.
    """
    # Our own interpreter and our own module, without a shell.
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
