"""Where the data of a training run is: what was named, or where `vicabench data fetch` put it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vica.training.config import Source, TrainingConfig
from vica.training.sources import read_mixture

from vicabench.adapters import SHIPPED
from vicabench.datasets.training import fetched_folder
from vicabench.errors import ConfigError

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
            f"{config.name} has {len(mixture.sources)} sources of data, and --data names one. "
            "Write a .yaml mixture, or use --set mixture.sources.0.path=..."
        )
    source = mixture.sources[0]
    if data.is_dir():
        source = replace(source, path=str(data))
    else:  # of no published layout, and of no published number
        source = Source(path=str(data), sampling=source.sampling, media=source.media)
    return replace(config, mixture=replace(mixture, sources=(source,)))


def placed(config: TrainingConfig, media: Path | None) -> TrainingConfig:
    """The configuration with published data where `data fetch` put it, if it did.

    A base that comes with vicabench is the folder that it is in.
    """
    sources = tuple(_placed(source, media) for source in config.mixture.sources)
    base = str(SHIPPED.get(config.base, config.base))
    return replace(config, base=base, mixture=replace(config.mixture, sources=sources))


def _placed(source: Source, media: Path | None) -> Source:
    if media is not None:
        source = replace(source, media=str(media))
    folder = fetched_folder(source.path)
    return source if folder is None else replace(source, path=str(folder))
