"""Finding the files of a source of data, and drawing from their records.

| format | contents of its folder |
| --- | --- |
| `conversations` | `.json` lists and `.jsonl` files; `path` may also be one, or `dir/{a,b}.json` |
| `vica` | ViCA-322K: `<source>/base/<task>.json` and `<source>/complex/<task>.json` |
| `vica-base` | the same without the `complex` part |
| `llava-cc3m` | `chat.json`, and its images in `images/` |
| `llava-onevision` | folders of parquet files or a `data.json`, each drawn from separately |
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vica.errors import CheckpointError, DataError, RecipeError, an, counted
from vica.hub import download
from vica.training.config import Mixture, Source
from vica.training.onevision import SUBSETS

FOLDERS = {"vica": ("base", "complex"), "vica-base": ("base",)}
"""The parts of ViCA-322K that a format reads."""
TEXTS = ("*.json", "*.jsonl")
"""Patterns for files at any depth of a folder or repository."""
HUB_ID = re.compile(r"[\w-]+/[\w.-]+")
SAMPLING = re.compile(r"all|(first|end|random):(\d+)(%?)")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Files that are sampled together, and the folder of their videos and images."""

    files: tuple[Path, ...]
    media: Path
    sampling: str


def parts(source: Source) -> list[Part]:
    """The parts of a source, in a fixed order.

    A hub id that is not a local folder is downloaded into the hub's cache.

    Raises:
        DataError: Files are missing.
        RecipeError: `sampling` does not exist.
    """
    drawn(source.sampling, 0, 0, 0)
    place = located(source)
    media = Path(source.media) if source.media else _media(place, source.format)
    if source.format == "llava-onevision" and place.is_dir():
        groups = [tuple(_subset(folder)) for folder in _folders(place, source)]
        return [
            Part(files=files, media=Path(source.media or files[0].parent), sampling=source.sampling)
            for files in groups
            if files
        ] or _nothing(place, "no folder of parquet files or data.json")
    return [Part(files=tuple(_files(place, source)), media=media, sampling=source.sampling)]


def located(source: Source) -> Path:
    """The file or folder of a source, downloaded if it is a hub id; else raises DataError."""
    path = Path(source.path)
    if path.exists() or "{" in path.name:
        return path
    if not HUB_ID.fullmatch(source.path):
        raise DataError(f"{path}: no such file or folder of training data")
    patterns: tuple[str, ...] = (*TEXTS, "*.parquet")
    if source.subsets is not None:
        patterns = tuple(f"{name}/*" for name in SUBSETS[source.subsets])
    try:
        options = {"repo_type": "dataset", "revision": source.revision}
        return download(source.path, patterns, options)
    except CheckpointError as error:
        raise DataError(f"{error}. If you have the data in a folder, name that instead") from error


def read_mixture(file: Path) -> Mixture:
    """Read a mixture from a YAML of the original code.

    It lists `datasets`, each with a `json_path`, relative to the YAML's folder, and a
    `sampling_strategy`.

    Raises:
        DataError: The file cannot be read or has another format.
    """
    import yaml  # noqa: PLC0415

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        entries = [dict(entry) for entry in content["datasets"]]
        paths = [file.parent / _plain(entry["json_path"]) for entry in entries]
        samplings = [_plain(entry.get("sampling_strategy", "all")) for entry in entries]
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, RecursionError, yaml.YAMLError) as error:
        raise DataError(
            f"{file}: is not a mixture of data ({error!r}): write `datasets:` and a list of "
            "`json_path` and `sampling_strategy`"
        ) from error
    sources = [
        Source(path=str(path), sampling=sampling)
        for path, sampling in zip(paths, samplings, strict=True)
    ]
    return Mixture(sources=tuple(sources))


def _plain(value: object) -> str:
    """A text or a number as text."""
    if isinstance(value, list | dict):  # YAML aliases can make its text endlessly long
        raise TypeError(f"{an(type(value).__name__)} in place of a text")
    return str(value)


def drawn(sampling: str, count: int, seed: int, number: int) -> range | list[int]:
    """The indices of the sampled records among `count`, ascending; percentages are rounded up.

    `random` depends on `seed` and the `number` of the part alone, so that all processes agree.

    Raises:
        RecipeError: `sampling` does not exist.
    """
    match = SAMPLING.fullmatch(sampling)
    if match is None:
        raise RecipeError(
            f"sampling {sampling!r}: choose all, first:N, end:N or random:N, with N a number or a "
            "percentage such as 10%"
        )
    way, amount, percent = match.groups()
    wanted = count if way is None else int(amount)
    if percent:
        wanted = math.ceil(count * wanted / 100)
    wanted = min(wanted, count)
    if way == "random":
        return sorted(random.Random(f"{seed}/{number}").sample(range(count), wanted))
    return range(count - wanted, count) if way == "end" else range(wanted)


def _media(place: Path, form: str) -> Path:
    folder = place if place.is_dir() else place.parent
    return folder / "images" if form == "llava-cc3m" else folder


def _files(place: Path, source: Source) -> list[Path]:
    """The files of a source that is sampled as a whole."""
    if not place.is_dir():
        return _named(place)
    if source.format == "llava-cc3m":
        return _named(place / "chat.json")
    if source.format in FOLDERS:
        paths = [f for part in FOLDERS[source.format] for f in place.glob(f"*/{part}/*.json")]
        return sorted(paths) or _nothing(place, "no <source>/base/<task>.json")
    paths = [path for pattern in TEXTS for path in place.rglob(pattern)]
    paths += place.rglob("*.parquet")
    visible = [p for p in paths if not any(n.startswith(".") for n in p.relative_to(place).parts)]
    return sorted(visible) or _nothing(place, "no .json, .jsonl or .parquet file")


def _named(path: Path) -> list[Path]:
    """One file, or the files of `dir/{a,b}.json`; raises DataError if one is missing."""
    match = re.fullmatch(r"(.*)\{(.*)\}(.*)", path.name)
    names = [path.name]
    if match:
        names = [f"{match[1]}{name.strip()}{match[3]}" for name in match[2].split(",")]
    for name in names:
        if not (path.parent / name).is_file():
            raise DataError(f"{path.parent / name}: no such file of training data")
    return [path.parent / name for name in names]


def _folders(place: Path, source: Source) -> list[Path]:
    """The folders that a source samples; raises DataError if a listed one is missing."""
    if source.subsets is None:
        return sorted(folder for folder in place.iterdir() if folder.is_dir())
    listed = [place / name for name in SUBSETS[source.subsets]]
    missing = [folder.name for folder in listed if not _subset(folder)]
    if missing:
        raise DataError(
            f"{place}: has no data of {len(missing)} of the {counted(len(listed), 'subset')} of "
            f"{source.subsets}, such as {missing[0]}: fetch them, or set "
            "mixture.sources.0.subsets=null to draw from every existing folder"
        )
    return listed


def _subset(folder: Path) -> list[Path]:
    """The files of a subset of LLaVA-OneVision."""
    listed = folder / "data.json"
    return [listed] if listed.is_file() else sorted(folder.glob("*.parquet"))


def _nothing(place: Path, what: str) -> list[Any]:
    raise DataError(
        f"{place}: has {what}. Check the source's `format`, which states the layout of its folder "
        "(mixture.sources.0.format)"
    )
