"""`python -m vica.training CONFIG.json`: one process of a run, started by `torchrun`."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import NoReturn

from torch import distributed

from vica.errors import TrainingError, VicaError
from vica.training.launching import is_reported, read_config, report
from vica.training.run import train


def main() -> int:
    """Train as the file states; an error that a user can fix is one line and exit code 2.

    Of several processes, only the first to fail reports its error.
    """
    parser = argparse.ArgumentParser(prog="python -m vica.training", description=__doc__)
    parser.add_argument("config", type=Path, help="configuration file, as in a run's folder")
    parser.add_argument("--resume", help="last, or the name of one of the run's checkpoints")
    arguments = parser.parse_args()
    try:
        train(read_config(arguments.config), resume=arguments.resume)
    except VicaError as error:
        report(error)
        return 2
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        report(TrainingError(f"{place}{error.strerror or error}"))
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception:
        if is_reported():
            return 2
        traceback.print_exc()
        return 1
    return 0


def leave(code: int) -> NoReturn:
    """Run all exit handlers, then end this process without finalising the interpreter.

    multiprocessing ends its processes the same way. Gloo's threads release tensors, which needs
    the interpreter, and abort the process while that is finalised. They live as long as their
    process group is referenced, and DeepSpeed's modules keep references.
    """
    if code == 0 and distributed.is_initialized():  # after a failure it would wait for the others
        distributed.destroy_process_group()
    threading._shutdown()  # type: ignore[attr-defined]  # joins threads, as at every exit
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
