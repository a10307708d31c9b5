"""`conversations(mixture)`: all data of a run, opened, judged, drawn from and counted.

Every file is read once, in portions; then any conversation can be read by itself. What is drawn
depends on the mixture's seed alone, so that every process has the same data (in the original each
drew its own).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vica.errors import DataError, counted
from vica.training import jsonfiles, parquetfiles
from vica.training.config import Mixture
from vica.training.index import ROW, Conversations, File, hashed, is_there
from vica.training.records import RecordError, conversation
from vica.training.sources import Part, drawn, parts

ROWS_AT_ONCE = 4096
SHOWN = 5
"""How many bad records a message names."""

Progress = Callable[[Path, int], None]
"""Called with the file that is being read, and how many of its records have been."""


def conversations(
    mixture: Mixture, *, media_needed: bool = True, progress: Progress | None = None
) -> Conversations:
    """All good conversations of a mixture; its bad records are counted in `.problems`.

    Without `media_needed` nobody asks whether videos and images are there. Raises DataError when
    data is missing or damaged, when there is none, or when the share of bad records is above
    `mixture.max_bad`, naming the first of them.
    """
    files: list[File] = []
    kept: list[NDArray[np.void]] = []
    every = [part for source in mixture.sources for part in parts(source)]
    for number, part in enumerate(every):
        rows = _rows(part, len(files), media_needed, progress)
        kept.append(rows[np.asarray(drawn(part.sampling, len(rows), mixture.seed, number), int)])
        files += [File(path, part.media) for path in part.files]
    found = Conversations(files, np.concatenate(kept), media=media_needed)
    _check(found, mixture)
    return found


def _check(found: Conversations, mixture: Mixture) -> None:
    bad, total = len(found.problems), len(found) + len(found.problems)
    if not total:
        paths = ", ".join(source.path for source in mixture.sources)
        raise DataError(f"there is not one conversation in {paths}")
    if bad > mixture.max_bad * total:
        listed = "".join(f"\n  {problem}" for problem in found.problems[:SHOWN])
        raise DataError(
            f"cannot train on {bad:,} of {counted(total, 'record')}, more than the share of "
            f"{mixture.max_bad:.2%} that mixture.max_bad allows. The first are:{listed}\n"
            "Correct them, or say where videos and images are (media), or raise mixture.max_bad"
        )


def _rows(
    part: Part, first_file: int, media_needed: bool, progress: Progress | None
) -> NDArray[np.void]:
    """A row of the index for each record of a part."""
    exists = lru_cache(1 << 16)(is_there) if media_needed else lambda _: True
    blocks: list[NDArray[np.void]] = []
    for number, path in enumerate(part.files, start=first_file):
        count = 0
        for block in _blocks(path, number, part.media, exists):
            blocks.append(block)
            count += len(block)
            if progress:
                progress(path, count)
    return np.concatenate(blocks) if blocks else np.zeros(0, ROW)


def _blocks(
    path: Path, number: int, media: Path, exists: Callable[[Path], bool]
) -> Iterator[NDArray[np.void]]:
    """The rows of a file, some thousand at a time: tuples of Python are ten times as large."""
    scan = parquetfiles.scan if path.suffix == parquetfiles.SUFFIX else jsonfiles.scan
    rows: list[tuple[int, int, int, int, int, int, bool]] = []
    for index, found in enumerate(scan(path)):
        visual = _visual(found.record, path, index, media, exists)
        content = hashed(found.raw)
        bad = visual is None
        rows.append((number, index, found.place, found.size, content, visual or 0, bad))
        if len(rows) == ROWS_AT_ONCE:
            yield np.array(rows, ROW)
            rows.clear()
    yield np.array(rows, ROW)


def _visual(
    record: object, path: Path, index: int, media: Path, exists: Callable[[Path], bool]
) -> int | None:
    """A hash of the record's video or image, 0 for text alone, None for a bad record."""
    if isinstance(record, RecordError):
        return None
    try:
        seen = conversation(record, file=path, index=index, media=media, exists=exists).visual
    except RecordError:
        return None
    # Never 0, and within 63 bits.
    return 0 if seen is None else (hashed(os.fsencode(seen)) >> 1) | 1
