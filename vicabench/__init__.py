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
    from vicabench import data, models, plot
    from vicabench.adapters.hf.memory import HF
    from vicabench.asking import ask, encoded
    from vicabench.canonicalizing import canonicalize
    from vicabench.comparing import compare, compare_published, shared
    from vicabench.demonstration import demo
    from vicabench.describing import describe
    from vicabench.doctor.report import examine_machine
    from vicabench.drawing import figures
    from vicabench.engine.shards import merge
    from vicabench.errors import UserError
    from vicabench.evaluation import benchmark, evaluate, run
    from vicabench.importing.results import import_results
    from vicabench.judgements import judge
    from vicabench.published_tables import published
    from vicabench.reports import report
    from vicabench.results.run import Run, load_all
    from vicabench.results.run import load_run as load
    from vicabench.scaling import published_curves, scaling_curve
    from vicabench.scored import Score, score
    from vicabench.training import recipes, train, training_plan
    from vicabench.training_callback import TrainerCallback
    from vicabench.types import Answer, Question, Video
    from vicabench.verification import verify

_PLACES = {
    "Answer": "vicabench.types",
    "HF": "vicabench.adapters.hf.memory",
    "Question": "vicabench.types",
    "Run": "vicabench.results.run",
    "Score": "vicabench.scored",
    "TrainerCallback": "vicabench.training_callback",
    "UserError": "vicabench.errors",
    "Video": "vicabench.types",
    "ask": "vicabench.asking",
    "benchmark": "vicabench.evaluation",
    "canonicalize": "vicabench.canonicalizing",
    "compare": "vicabench.comparing",
    "compare_published": "vicabench.comparing",
    "data": "vicabench.data:",
    "demo": "vicabench.demonstration",
    "describe": "vicabench.describing",
    "encoded": "vicabench.asking",
    "evaluate": "vicabench.evaluation",
    "examine_machine": "vicabench.doctor.report",
    "figures": "vicabench.drawing",
    "import_results": "vicabench.importing.results",
    "judge": "vicabench.judgements",
    "load": "vicabench.results.run:load_run",
    "load_all": "vicabench.results.run",
    "merge": "vicabench.engine.shards",
    "models": "vicabench.models:",
    "plot": "vicabench.plot:",
    "published": "vicabench.published_tables",
    "published_curves": "vicabench.scaling",
    "recipes": "vicabench.training",
    "report": "vicabench.reports",
    "run": "vicabench.evaluation",
    "scaling_curve": "vicabench.scaling",
    "score": "vicabench.scored",
    "shared": "vicabench.comparing",
    "train": "vicabench.training",
    "training_plan": "vicabench.training",
    "verify": "vicabench.verification",
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
    "ask",
    "benchmark",
    "canonicalize",
    "compare",
    "compare_published",
    "data",
    "demo",
    "describe",
    "encoded",
    "evaluate",
    "examine_machine",
    "figures",
    "import_results",
    "judge",
    "load",
    "load_all",
    "merge",
    "models",
    "plot",
    "published",
    "published_curves",
    "recipes",
    "report",
    "run",
    "scaling_curve",
    "score",
    "shared",
    "train",
    "training_plan",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'vicabench' has no attribute {name!r}")
    place, colon, attribute = _PLACES[name].partition(":")
    try:
        module = import_module(place)
    except ModuleNotFoundError as error:
        from vicabench.adapters.extras import explained  # noqa: PLC0415  (`import vicabench` is fast)

        with explained():
            raise error from None
    found = module if colon and not attribute else getattr(module, attribute or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
