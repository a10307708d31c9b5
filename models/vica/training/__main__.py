"""`python -m vica.training CONFIG.json`: one process of a run, as `torchrun` starts it."""

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
from vica.training.launching import is_told, read_config, tell
from vica.training.run import train


def main() -> int:
    """Train as the file says; an error that a user can put right is a line and exit code 2.

    With several processes one of them says it, and those that fail for its sake say nothing.
    """
    parser = argparse.ArgumentParser(prog="python -m vica.training", description=__doc__)
    parser.add_argument("config", type=Path, help="a configuration, as a run's folder holds it")
    parser.add_argument("--resume", help="last, or the name of one of the run's checkpoints")
    arguments = parser.parse_args()
    try:
        train(read_config(arguments.config), resume=arguments.resume)
    except VicaError as error:
        tell(error)
        return 2
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        tell(TrainingError(f"{place}{error.strerror or error}"))
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception:
        if is_told():
            return 2
        traceback.print_exc()
        return 1
    return 0


def leave(code: int) -> NoReturn:
    """End this process as multiprocessing ends its own: all that Python runs at exit, then no more.

    Threads of gloo release tensors, which takes the interpreter; at one that is being taken apart
    they abort the process. They live as long as a reference to their process group does, and
    DeepSpeed keeps some in its modules.
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
