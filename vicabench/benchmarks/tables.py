"""Questions in tables, from a hub repository or a local file, read by `datasets`.

The files of a repository come by our own download, bounded, checked and pinned to a commit, into
the cache; `datasets` then finds its configurations and splits there and reads their rows. JSON
Lines stays with `jsonl`, whose messages name the line and which starts without `datasets` (two
seconds); so does the parquet file of VSI-Bench (`vsibench`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from vicabench.benchmarks import fetched, hub, loading, own
from vicabench.benchmarks.fetch import exclusive, is_commit
from vicabench.benchmarks.fetched import Fetched
from vicabench.benchmarks.hub import download
from vicabench.benchmarks.loading import read_records
from vicabench.benchmarks.paths import cache_dir, stays_inside
from vicabench.errors import ConfigError, DataError, counted
from vicabench.types import Benchmark

if TYPE_CHECKING:
    from datasets import DatasetBuilder

KINDS = {".parquet": "parquet", ".json": "json", ".csv": "csv", ".tsv": "csv"}
"""The format of a local file by its suffix."""
PUBLISHED = (*KINDS, ".jsonl")
"""Suffixes of the files of a repository that may hold questions."""
CARD = "README.md"
FILES = "files"
"""The subfolder with the files of a repository, beside the record of the download."""
HUB_ID = re.compile(r"[\w-]+/[\w.-]+(@[\w./-]+)?")
TEXTS = ("id", "video", "dataset", "scene_name", "ground_truth", "group", "scene")
"""Columns of a CSV file that are read as text: `007` is not 7."""
Rows = Iterator[tuple[str, object]]


def is_hub_id(name: str) -> bool:
    """Whether a name is a repository id, `owner/name` or `owner/name@revision`."""
    return bool(HUB_ID.fullmatch(name)) and not Path(name).exists()


def load_file(path: Path, videos: Path | None = None, *, videos_needed: bool = True) -> Benchmark:
    """Load the questions in a parquet, JSON (a list of objects), CSV or TSV file.

    Name, subset, revision and videos are as of a JSON Lines file (`jsonl.load`).

    Raises:
        DataError: for a file that cannot be read, is larger than questions are, or has a bad row;
            or when not one of its videos is there (unless `videos_needed` is False).
    """
    revision = own.digest(path)
    return own.benchmark_of(
        read_records(path.name, file_rows(path)),
        name=path.name,
        subset="full",
        revision=revision,
        folder=path.parent if videos is None else videos,
        videos_needed=videos_needed,
    )


def file_rows(path: Path, *, every: bool = False, columns: Mapping[str, str] | None = None) -> Rows:
    """The rows of a file of questions of any kind, with their places in it.

    Args:
        path: The file.
        every: Whether lines that are not JSON are rows, too: a DataError each.
        columns: Our names of columns to those of the file, where they differ.

    Raises:
        DataError: For a file of an unknown kind, that cannot be read or is larger than questions.
    """
    if path.suffix == ".jsonl":
        return own.read_lines(path, every=every)
    if path.suffix not in (".parquet", *KINDS):
        kinds = ", ".join((".jsonl", ".parquet", *KINDS))
        raise DataError(f"{path} is not a file of questions. Files of questions are {kinds}.")
    try:
        _check_size(path, path.stat().st_size)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if path.suffix == ".parquet":
        return loading.read_rows(path)
    # A path is a pattern to `datasets`.
    data = {"test": escape(str(path))}
    return _rows(str(path), KINDS[path.suffix], data_files=data, columns=columns)


def load_hub(
    repo: str,
    *,
    revision: str | None = None,
    config: str | None = None,
    split: str | None = None,
    videos: Path | None = None,
    videos_needed: bool = True,
) -> Benchmark:
    """Load the questions that a data set repository of the Hugging Face Hub publishes.

    Only its tables and its card are downloaded, once a commit; the benchmark's revision is the
    commit. Offline, what was downloaded before is used. The subset is the configuration's name.

    Args:
        repo: Its id, `owner/name`, or `owner/name@revision`.
        revision: A commit, tag or branch; `main` by default.
        config: One of its configurations; needed if there are several and no default.
        split: One of its splits; by default `test`, or the only one.
        videos: The folder of the videos, by default the current one.
        videos_needed: Whether to refuse a benchmark without a single video on disk.

    Raises:
        DataError: If the hub cannot be reached, or refuses; for what is larger than questions
            are, cannot be read or has a bad row; for an unknown configuration or split.
    """
    name = repo.partition("@")[0]
    rows, commit = hub_rows(repo, revision=revision, config=config, split=split)
    chosen = config or "full"
    return own.benchmark_of(
        read_records(name, rows),
        name=name,
        subset=chosen if split is None else f"{chosen}, {split}",
        revision=commit,
        folder=videos or Path(),
        videos_needed=videos_needed,
    )


def hub_rows(
    repo: str,
    *,
    revision: str | None = None,
    config: str | None = None,
    split: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> tuple[Rows, str]:
    """The rows of a data set on the hub, and the commit they are of; see `load_hub`.

    `columns` are our names of columns to those of the data set, where they differ.
    """
    name, _, pinned = repo.partition("@")
    if revision and pinned and revision != pinned:
        raise ConfigError(f"{repo} names another revision than {revision!r}: give one of them.")
    revision = revision or pinned or "main"
    if not stays_inside(f"{name}/{revision}"):
        raise ConfigError(f"{name} at {revision!r} is not a data set at a commit, tag or branch.")
    commit = _brought(name, revision)
    folder = _home(name) / commit / FILES
    _check_card(folder, name)
    for file in folder.rglob("*.parquet"):
        for _ in loading.read_rows(file):  # which would refuse it
            break
    rows = _rows(name, str(folder), split=split, inside=folder, columns=columns, name=config)
    return rows, commit


def _rows(
    source: str,
    path: str,
    *,
    split: str | None = None,
    inside: Path | None = None,
    columns: Mapping[str, str] | None = None,
    **options: Any,
) -> Rows:
    """The rows of one split, as `datasets` reads them.

    With `inside`, none of its files may lie elsewhere.
    """
    import datasets  # noqa: PLC0415  (two seconds, for these sources alone)

    # Not in the cache of `datasets`, which would keep a copy; not as a stream, which imports torch.
    with TemporaryDirectory() as folder, _silent():
        with _explained(source):
            builder = datasets.load_dataset_builder(path, cache_dir=folder, **options)
        files = builder.config.data_files or {}
        if inside and any(not _lies_in(inside, file) for each in files.values() for file in each):
            raise DataError(f"{source} is refused: its card names files outside its repository.")
        chosen = _split(source, list(files), split)
        texts = {(columns or {}).get(name, name) for name in TEXTS}
        _keep_texts(builder, {PurePosixPath(file).suffix for file in files[chosen]}, texts)
        with _explained(source):
            builder.download_and_prepare()
            rows = builder.as_dataset(split=chosen, in_memory=True).to_list()
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", _plain(row)


@contextmanager
def _silent() -> Iterator[None]:
    """Disable the progress bars of `datasets`, as questions load fast."""
    import datasets  # noqa: PLC0415

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


@contextmanager
def _explained(source: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a parser raises for what others have written
        cause = error.__cause__ or error
        reason = (str(cause).splitlines() or [type(cause).__name__])[0]
        raise DataError(f"{source} cannot be read ({reason}).") from None


def _keep_texts(builder: DatasetBuilder, suffixes: set[str], texts: set[str]) -> None:
    """Declare the columns of a CSV file that are text, whatever their values look like."""
    if hasattr(builder.config, "converters"):
        builder.config.converters = dict.fromkeys(texts, _text)
        if suffixes == {".tsv"}:
            builder.config.sep = "\t"


def _text(cell: str) -> str | None:
    return cell or None


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a row; in CSV files, options are a JSON list in a text cell."""
    options = row.get("options")
    if isinstance(options, str) and options.startswith("["):
        try:
            return {**row, "options": json.loads(options)}
        except (ValueError, RecursionError):
            pass  # whoever reads the row says what is wrong with it
    return dict(row)


def _split(source: str, splits: list[str], wanted: str | None) -> str:
    names = [str(name) for name in splits]
    default = "test" if "test" in names else names[0] if len(names) == 1 else None
    chosen = wanted or default
    if chosen not in names:
        what = f"no split {wanted!r}" if wanted else "several splits"
        raise DataError(f"{source} has {what}. Choose with split=: {', '.join(names) or 'none'}.")
    return chosen


def config_rows(source: str, folder: Path, *, config: str | None, split: str) -> Rows:
    """The rows of a split, in a folder with the tables and the card of a repository.

    Raises:
        DataError: If `datasets` cannot read them, or finds no such configuration or split.
    """
    _check_card(folder, source)
    return _rows(source, str(folder), split=split, inside=folder, name=config)


def _home(repo: str) -> Path:
    return cache_dir() / "hub" / repo


def _brought(repo: str, revision: str) -> str:
    """Download the tables of a revision into the cache, if needed; returns its commit."""
    home = _home(repo)
    if is_commit(revision) and fetched.is_finished(home / revision):
        return revision
    from huggingface_hub import constants  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        return _kept(repo, revision)
    listing = hub.listing(repo, revision)
    record = Fetched(repo=repo, revision=listing.revision, date=fetched.now())
    if not fetched.is_finished(home / record.revision):
        _bring(listing, home / record.revision)
        fetched.write(home / record.revision, record, finished=True)
    asked = home / "revisions" / revision
    asked.mkdir(parents=True, exist_ok=True)
    fetched.write(asked, record, finished=True)
    return record.revision


def _bring(listing: hub.Listing, folder: Path) -> None:
    names = [name for name in listing.files if name == CARD or name.endswith(PUBLISHED)]
    if outside := [name for name in names if not stays_inside(name)]:
        raise DataError(f"{listing.repo} is refused: its file {outside[0]!r} leaves its folder.")
    _check_size(listing.repo, sum(listing.files[name].size for name in names))
    if not any(name.endswith(PUBLISHED) for name in names):
        raise DataError(
            f"{listing.repo} at {listing.revision} holds no table of questions "
            f"({', '.join(PUBLISHED)})."
        )
    with exclusive(folder):
        for name in names:
            (folder / FILES / name).parent.mkdir(parents=True, exist_ok=True)
            download(listing, name, folder / FILES, lambda _: None)


def _kept(repo: str, revision: str) -> str:
    """The commit that this revision had when it was last downloaded."""
    record = fetched.read(_home(repo) / "revisions" / revision)
    if record is None or not fetched.is_finished(_home(repo) / record.revision):
        raise DataError(
            f"HF_HUB_OFFLINE forbids requests to the hub, and {repo} at {revision} was not "
            f"downloaded before. Unset it to fetch; {hub.OFFLINE_WAY}"
        )
    return record.revision


def _check_card(folder: Path, repo: str) -> None:
    """Refuse a dataset card that points to files outside the repository."""
    if not (folder / CARD).is_file():
        return
    from huggingface_hub import DatasetCard  # noqa: PLC0415

    with _explained(f"The card of {repo}"):
        card = DatasetCard.load(folder / CARD, ignore_metadata_errors=True).data.to_dict()
    left = [card.get("configs")]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str) and (value.startswith(("/", "~", "\\")) or _leaves(value)):
            raise DataError(f"{repo} is refused: its card names a file outside it, {value!r}.")


def _leaves(pattern: str) -> bool:
    return ":" in pattern or ".." in PurePosixPath(pattern.replace("\\", "/")).parts


def _lies_in(folder: Path, file: str) -> bool:
    return Path(file).resolve().is_relative_to(folder.resolve())


def _check_size(source: object, size: int) -> None:
    if size > loading.LARGEST:
        raise DataError(
            f"{source} is refused: its tables have {counted(size, 'byte')}, and no questions have "
            f"over {loading.LARGEST:,}."
        )
