"""`python -m vica.training.processes DEVICES CONFIG.json ...`: torchrun, without its own report.

What a training process has to say is for the user; what torchrun says of it, some screens of
tracebacks about itself, is not.
"""

from __future__ import annotations

import logging
import signal
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from vica.errors import TrainingError
from vica.training.launching import tell


def main() -> int:
    """Run `python -m vica.training` on each device; 0 if all of them end well."""
    devices, *arguments = sys.argv[1:]
    logging.disable()
    command = ["--standalone", f"--nproc-per-node={devices}", "-m", "vica.training", *arguments]
    try:
        run(parse_args(command))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            tell(TrainingError(_ended(rank, -failure.exitcode)))
        return 1
    except (SignalException, KeyboardInterrupt):
        return 130
    return 0


def _ended(rank: int, number: int) -> str:
    advice = ""
    if number == signal.SIGKILL:
        advice = "; the machine was probably short of memory"
    return f"process {rank} of the run was ended by {signal.Signals(number).name}{advice}"


if __name__ == "__main__":
    sys.exit(main())
