"""Published results, each with its source, and each source with its citation.

Scores of models, chance levels and humans on VSI-Bench (`published_rows`) and on other benchmarks
(`published_on`), curves over the share of the
training data (`curves`, `thinking_curve`), the published checkpoints (`model_zoo`), and a test for
questions of VSI-Bench (`are_vsi_bench`).
"""

from vicabench.reference.curves import (
    Curve,
    CurvePoint,
    ThinkingPoint,
    ZooModel,
    curves,
    model_zoo,
    thinking_curve,
)
from vicabench.reference.questions import are_vsi_bench, is_vsi_bench
from vicabench.reference.scores import (
    Citation,
    Published,
    citations,
    find_published,
    matching,
    published_rows,
)
from vicabench.reference.sisters import published_on, sister_benchmarks

__all__ = [
    "Citation",
    "Curve",
    "CurvePoint",
    "Published",
    "ThinkingPoint",
    "ZooModel",
    "are_vsi_bench",
    "citations",
    "curves",
    "find_published",
    "is_vsi_bench",
    "matching",
    "model_zoo",
    "published_on",
    "published_rows",
    "sister_benchmarks",
    "thinking_curve",
]
