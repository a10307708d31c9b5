"""Training by published recipes, and plans of its cost: `vicabench train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vica.training.config import Source, TrainingConfig
from vica.training.recipes import DATA, RECIPES, recipe
from vica.training.settings import changed
from vica.training.sources import read_mixture

from vicabench.adapters import SHIPPED
from vicabench.adapters.extras import explained
from vicabench.benchmarks import fetched
from vicabench.benchmarks.training_data import fetched_folder
from vicabench.errors import ConfigError, counted

if TYPE_CHECKING:
    from pandas import DataFrame

    from vicabench.front.training_costs import Plan

YAML = (".yaml", ".yml")
Settings = Mapping[str, Any] | Sequence[str]


def recipes() -> DataFrame:
    """One row per recipe: its name, the checkpoint it starts from, and what it trains."""
    import pandas as pd  # noqa: PLC0415  (slow to import, and `train --list` does not need it)

    return pd.DataFrame(list(recipe_rows()), columns=["recipe", "starts from", "trains"])


def recipe_rows() -> list[tuple[str, str, str]]:
    """Each recipe's name, base and first line of documentation."""
    return [
        (name, build().base, (build.__doc__ or "").strip().splitlines()[0])
        for name, build in RECIPES.items()
    ]


def train(
    recipe: str,
    *,
    data: str | Path | None = None,
    media: str | Path | None = None,
    settings: Settings = (),
    resume: str | None = None,
) -> Path:
    """Train a model by a recipe and return the folder of the last checkpoint.

    Args:
        recipe: The name of a recipe, such as `vica2-stage3`; `vicabench.recipes()` lists them.
        data: The data: a folder, `.json`, `.jsonl`, or a `.yaml` mixture of them; by default the
            published data as downloaded by `vicabench data fetch`.
        media: The folder that videos and images are relative to.
        settings: Changes to the recipe by dotted name: `{"batch.pack": 4}` or `["batch.pack=4"]`.
        resume: The checkpoint of the run to continue from: `last`, or its name.

    Raises:
        ConfigError: For an unknown recipe or setting, missing data, or a missing package.
    """
    with explained():
        config = configured(recipe, data=data, media=media, settings=settings)
        _check_made(config)
        return Path(import_module("vica.training.run").train(config, resume=resume))


def training_plan(
    recipe: str,
    *,
    data: str | Path | None = None,
    media: str | Path | None = None,
    settings: Settings = (),
    gpu_memory: float | None = None,
    progress: bool = True,
) -> Plan:
    """Plan what training would do and cost; needs neither weights nor data.

    The other arguments are those of `train`.

    Args:
        gpu_memory: The memory of a GPU in GB, for which their smallest number is stated; by
            default 80.
        progress: Whether to show on standard error which files are read.

    Raises:
        ConfigError: As `train`, or for a memory that is not above 0.
    """
    if gpu_memory is not None and not 0 < gpu_memory < inf:
        raise ConfigError(f"gpu_memory={gpu_memory}: give the memory of a GPU in GB, such as 141.")
    with explained():
        config = configured(recipe, data=data, media=media, settings=settings)
        costs = import_module("vicabench.front.training_costs")
        memory = costs.GPU_MEMORY if gpu_memory is None else gpu_memory
        plan: Plan = costs.plan(config, progress=progress, gpu_memory=memory)
        return plan


def configured(
    name: str,
    *,
    data: str | Path | None = None,
    media: str | Path | None = None,
    settings: Settings = (),
) -> TrainingConfig:
    """The recipe with these settings, and with the paths of downloaded data."""
    config = recipe(name) if data is None else with_data(recipe(name), Path(data))
    if isinstance(settings, Mapping):
        settings = [f"{k}={'null' if v is None else v}" for k, v in settings.items()]
    return placed(changed(config, settings), None if media is None else Path(media))


def with_data(config: TrainingConfig, data: Path) -> TrainingConfig:
    """Replace the data of a configuration by a folder, a file, or a mixture in YAML.

    Raises:
        ConfigError: If a single path would replace several sources.
    """
    mixture = config.mixture
    if data.suffix in YAML:
        return replace(config, mixture=replace(mixture, sources=read_mixture(data).sources))
    if len(mixture.sources) != 1:
        raise ConfigError(
            f"{config.name} has {counted(len(mixture.sources), 'source')} of data, and --data "
            "names one. Write a .yaml mixture, or use --set mixture.sources.0.path=..."
        )
    source = mixture.sources[0]
    if data.is_dir():
        source = replace(source, path=str(data))
    else:  # a file has no published layout or record count
        source = Source(path=str(data), media=source.media)
    return replace(config, mixture=replace(mixture, sources=(source,)))


def placed(config: TrainingConfig, media: Path | None) -> TrainingConfig:
    """Resolve published data to its local folder and commit, and a shipped base to its folder.

    Raises:
        ConfigError: If the configuration asks for another commit than the downloaded one.
    """
    sources = tuple(_placed(source, media) for source in config.mixture.sources)
    base = str(SHIPPED.get(config.base, config.base))
    return replace(config, base=base, mixture=replace(config.mixture, sources=sources))


def _check_made(config: TrainingConfig) -> None:
    """Raise ConfigError if the configuration needs the training rooms and they do not exist."""
    if any(source.path == DATA for source in config.mixture.sources) and not Path(DATA).exists():
        raise ConfigError(
            f"{DATA} does not exist. Build it with vicabench data training-rooms --out {DATA}, "
            "or name a folder of such rooms with --data."
        )


def _placed(source: Source, media: Path | None) -> Source:
    if media is not None:
        source = replace(source, media=str(media))
    folder = fetched_folder(source.path)
    record = None if folder is None else fetched.read(folder)
    if record is None:
        return source
    if source.revision not in (None, record.revision):
        raise ConfigError(
            f"{folder} holds {source.path} at {record.revision}, not at {source.revision}: leave "
            "out the revision, or fetch that one to another folder and name it with --data."
        )
    return replace(source, path=str(folder), revision=record.revision)
