"""`vicabench` in processes that need not import torch and transformers again, which takes seconds.

They are forked from Python's own fork server, which has done so. What libraries read from the
environment as they are imported is as in the tests: commands that need it otherwise are started
as usual.
"""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["vica.loading", "vica.predictor", "vica.training.dryrun", "vicabench.cli.run"]
)
STREAMS = ("stdin", "stdout", "stderr")


def vicabench(
    place: Path, *arguments: str | Path, typed: str = "", timeout: float = 120, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run `vicabench ARGUMENTS...` in a folder and return what came of it."""
    words = [*map(str, arguments)]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "160", **extra}
    with TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in STREAMS]
        files[0].write_text(typed, encoding="utf-8")
        process = FORKS.Process(target=_run, args=(place, words, environment, files))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, timeout)
        out, err = (file.read_text(encoding="utf-8") for file in files[1:])
    return subprocess.CompletedProcess(words, process.exitcode, out, err)


def _run(place: Path, words: list[str], environment: dict[str, str], files: list[Path]) -> None:
    """In the new process: be the command."""
    for number, (file, mode) in enumerate(zip(files, ("r", "w", "w"), strict=True)):
        stream = file.open(mode, encoding="utf-8", buffering=1)
        os.dup2(stream.fileno(), number)  # for processes that the command starts
        setattr(sys, STREAMS[number], stream)
    os.chdir(place)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["vicabench", *words]

    from vicabench.cli.main import main

    main()
