"""Where the data of a training run is: what was named, or where `vicabench data fetch` put it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vica.training.config import Source, TrainingConfig
from vica.training.sources import read_mixture

from vicabench.adapters import SHIPPED
from vicabench.benchmarks import fetched
from vicabench.benchmarks.training_data import fetched_folder
from vicabench.errors import ConfigError, counted

YAML = (".yaml", ".yml")


def with_data(config: TrainingConfig, data: Path) -> TrainingConfig:
    """The configuration about other data: a folder, a file, or a mixture in YAML.

    ConfigError if one source would have to stand for several.
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
    else:  # of no published layout, of no published number, and no part of it is asked for
        source = Source(path=str(data), media=source.media)
    return replace(config, mixture=replace(mixture, sources=(source,)))


def placed(config: TrainingConfig, media: Path | None) -> TrainingConfig:
    """The configuration with published data where `data fetch` put it, and at which commit.

    A base that comes with vicabench is the folder that it is in. ConfigError if another commit was
    asked for.
    """
    sources = tuple(_placed(source, media) for source in config.mixture.sources)
    base = str(SHIPPED.get(config.base, config.base))
    return replace(config, base=base, mixture=replace(config.mixture, sources=sources))


def check_made(config: TrainingConfig) -> None:
    """ConfigError where the rooms of `vica2-rooms` are to be trained on and were never made."""
    from vica.training.recipes import DATA

    if any(source.path == DATA for source in config.mixture.sources) and not Path(DATA).exists():
        raise ConfigError(
            f"{DATA} is not here. Make it: vicabench data training-rooms --out {DATA}. "
            "Or name a folder of such rooms with --data."
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
