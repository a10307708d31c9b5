"""Where the records of a source lie: its files, and which of them are drawn from together.

| format | a folder of it holds |
| --- | --- |
| `conversations` | any `.json` lists and `.jsonl` files, or `path` is one, or `dir/{a,b}.json` |
| `vica` | ViCA-322K: `<source>/base/<task>.json` and `<source>/complex/<task>.json` |
| `vica-base` | the same without its `complex` part |
| `llava-cc3m` | `chat.json`, and its images in `images/` |
| `llava-onevision` | folders of parquet files or a `data.json`, each drawn from by itself |
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
"""Wherever they lie below a folder or in a repository, whose patterns match whole names."""
HUB_ID = re.compile(r"[\w-]+/[\w.-]+")
SAMPLING = re.compile(r"all|(first|end|random):(\d+)(%?)")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Files whose records are drawn from together, and the folder of their videos and images."""

    files: tuple[Path, ...]
    media: Path
    sampling: str


def parts(source: Source) -> list[Part]:
    """What a source is made of, in an order of its own that is always the same.

    A hub id whose folder is not here is downloaded into the hub's cache. Raises DataError saying
    what is missing, and RecipeError for a `sampling` that does not exist.
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
    """The file or folder of a source; raises DataError if it is nowhere."""
    path = Path(source.path)
    if path.exists() or "{" in path.name:
        return path
    if not HUB_ID.fullmatch(source.path):
        raise DataError(f"{path}: there is no such file or folder of training data")
    patterns: tuple[str, ...] = (*TEXTS, "*.parquet")
    if source.subsets is not None:
        patterns = tuple(f"{name}/*" for name in SUBSETS[source.subsets])
    try:
        options = {"repo_type": "dataset", "revision": source.revision}
        return download(source.path, patterns, options)
    except CheckpointError as error:
        raise DataError(f"{error}. Name a folder of it instead, if there is one") from error


def read_mixture(file: Path) -> Mixture:
    """The mixture of a YAML of the original: `datasets`, each a `json_path`, `sampling_strategy`.

    Paths are relative to the YAML's folder. Raises DataError where the file is not like that.
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
            f"{file}: is no mixture of data ({error!r}): write `datasets:` and a list of "
            "`json_path` and `sampling_strategy`"
        ) from error
    sources = [
        Source(path=str(path), sampling=sampling)
        for path, sampling in zip(paths, samplings, strict=True)
    ]
    return Mixture(sources=tuple(sources))


def _plain(value: object) -> str:
    """A text or a number as text; aliases in a YAML can make a list too long to write down."""
    if isinstance(value, list | dict):
        raise TypeError(f"{an(type(value).__name__)} in place of a text")
    return str(value)


def drawn(sampling: str, count: int, seed: int, number: int) -> range | list[int]:
    """Which of `count` records are taken, in their order; a percentage is rounded up.

    `random` draws by `seed` and the `number` of the part alone: the same in every process. Raises
    RecipeError for a way of sampling that does not exist.
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
    """The files of a source that is drawn from as a whole."""
    if not place.is_dir():
        return _named(place)
    if source.format == "llava-cc3m":
        return _named(place / "chat.json")
    if source.format in FOLDERS:
        found = [f for part in FOLDERS[source.format] for f in place.glob(f"*/{part}/*.json")]
        return sorted(found) or _nothing(place, "no <source>/base/<task>.json")
    found = [path for pattern in TEXTS for path in place.rglob(pattern)]
    found += place.rglob("*.parquet")
    visible = [p for p in found if not any(n.startswith(".") for n in p.relative_to(place).parts)]
    return sorted(visible) or _nothing(place, "no .json, .jsonl or .parquet file")


def _named(path: Path) -> list[Path]:
    """One file, or those of `dir/{a,b}.json`."""
    match = re.fullmatch(r"(.*)\{(.*)\}(.*)", path.name)
    names = [path.name]
    if match:
        names = [f"{match[1]}{name.strip()}{match[3]}" for name in match[2].split(",")]
    for name in names:
        if not (path.parent / name).is_file():
            raise DataError(f"{path.parent / name}: there is no such file of training data")
    return [path.parent / name for name in names]


def _folders(place: Path, source: Source) -> list[Path]:
    """The folders that a source draws from; raises DataError for a listed one that is missing."""
    if source.subsets is None:
        return sorted(folder for folder in place.iterdir() if folder.is_dir())
    listed = [place / name for name in SUBSETS[source.subsets]]
    missing = [folder.name for folder in listed if not _subset(folder)]
    if missing:
        raise DataError(
            f"{place}: has no data of {len(missing)} of the {counted(len(listed), 'subset')} of "
            f"{source.subsets}, of {missing[0]} for one: fetch them, or set "
            "mixture.sources.0.subsets=null to draw from every folder that is there"
        )
    return listed


def _subset(folder: Path) -> list[Path]:
    """The files of a subset of LLaVA-OneVision."""
    listed = folder / "data.json"
    return [listed] if listed.is_file() else sorted(folder.glob("*.parquet"))


def _nothing(place: Path, what: str) -> list[Any]:
    raise DataError(
        f"{place}: has {what}. The `format` of a source says how its folder is laid out "
        "(mixture.sources.0.format)"
    )
