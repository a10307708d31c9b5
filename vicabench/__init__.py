"""vicabench measures how well video language models understand space.

    import vicabench as vb

    vb.score(rows).table()                            # rows of another program
    run = vb.load("runs/vsi-bench/ViCA2")             # a run folder
    run = vb.run("nkkbr/ViCA2-50p", frames=64)        # as `vicabench run` does
    run = vb.evaluate(vb.HF(model, processor), "rooms", frames=16)

docs/python.md has all of it. Attributes are imported when they are used: `import vicabench` is as
fast as an empty module.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vicabench import plot
    from vicabench.adapters.hf.memory import HF
    from vicabench.comparing import compare, shared
    from vicabench.errors import UserError
    from vicabench.evaluation import benchmark, evaluate, run
    from vicabench.reporting.published import published
    from vicabench.results.run import Run, load_all
    from vicabench.results.run import load_run as load
    from vicabench.scored import Score, score
    from vicabench.training_callback import TrainerCallback
    from vicabench.types import Answer, Question, Video

_PLACES = {
    "Answer": "vicabench.types",
    "HF": "vicabench.adapters.hf.memory",
    "Question": "vicabench.types",
    "Run": "vicabench.results.run",
    "Score": "vicabench.scored",
    "TrainerCallback": "vicabench.training_callback",
    "UserError": "vicabench.errors",
    "Video": "vicabench.types",
    "benchmark": "vicabench.evaluation",
    "compare": "vicabench.comparing",
    "evaluate": "vicabench.evaluation",
    "load": "vicabench.results.run:load_run",
    "load_all": "vicabench.results.run",
    "plot": "vicabench.plot:",
    "published": "vicabench.reporting.published",
    "run": "vicabench.evaluation",
    "score": "vicabench.scored",
    "shared": "vicabench.comparing",
}
__all__ = [
    "HF",
    "Answer",
    "Question",
    "Run",
    "Score",
    "TrainerCallback",
    "UserError",
    "Video",
    "benchmark",
    "compare",
    "evaluate",
    "load",
    "load_all",
    "plot",
    "published",
    "run",
    "score",
    "shared",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'vicabench' has no attribute {name!r}")
    place, colon, attribute = _PLACES[name].partition(":")
    module = import_module(place)
    found = module if colon and not attribute else getattr(module, attribute or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
