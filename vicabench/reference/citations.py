"""What the short names of sources stand for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vicabench.reference.files import records


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A source: `name` as the rows begin their `source` with, the full reference, its address."""

    name: str
    citation: str
    url: str


def citations(sources: Iterable[str]) -> tuple[Citation, ...]:
    """The references that these sources name, each once, in the order of their list.

    KeyError for a source that names none: no figure is published here without its reference.
    """
    known = [Citation(**record) for record in records("citations.csv")]
    cited = {_cited(source, known).name for source in sources}
    return tuple(citation for citation in known if citation.name in cited)


def _cited(source: str, known: list[Citation]) -> Citation:
    for citation in known:
        if source.startswith(f"{citation.name} ") or source == citation.name:
            return citation
    raise KeyError(source)
