"""`python -m vica.training CONFIG.json`: one process of a run, as `torchrun` starts it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from vica.errors import VicaError
from vica.training.engine import train
from vica.training.launching import read_config


def main() -> int:
    """Train as the file says; an error that a user can put right is a line and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m vica.training", description=__doc__)
    parser.add_argument("config", type=Path, help="a configuration, as a run's folder holds it")
    parser.add_argument("--resume", help="last, or the name of one of the run's checkpoints")
    arguments = parser.parse_args()
    try:
        train(read_config(arguments.config), resume=arguments.resume)
    except VicaError as error:
        if os.environ.get("RANK", "0") == "0":
            sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
