"""Measure how well video language models understand space.

    import vicabench as vb

    vb.score(rows).table()                            # rows of another program
    run = vb.load("runs/vsi-bench/ViCA2")             # a run folder
    run = vb.run("nkkbr/ViCA2-50p", frames=64)        # as `vicabench run` does
    run = vb.evaluate(vb.HF(model, processor), "rooms", frames=16)

docs/python.md describes the whole interface. Attributes are imported on first use, so that
`import vicabench` is as fast as importing an empty module.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vicabench.adapters.hf.memory import HF
    from vicabench.doctor.report import examine_machine
    from vicabench.engine.shards import merge
    from vicabench.errors import UserError
    from vicabench.front import data, models, plot
    from vicabench.front.answerable import answerable
    from vicabench.front.ask import ask, encoded
    from vicabench.front.audit import Audited, audit
    from vicabench.front.benchmark import benchmark
    from vicabench.front.callback import TrainerCallback
    from vicabench.front.canonicalize import canonicalize
    from vicabench.front.compare import compare, compare_published, shared
    from vicabench.front.demo import demo
    from vicabench.front.describe import describe
    from vicabench.front.explain import explain
    from vicabench.front.figures import figures
    from vicabench.front.import_results import import_results
    from vicabench.front.init import init
    from vicabench.front.judge import judge
    from vicabench.front.labels import Labels, audit_labels
    from vicabench.front.leaderboard import leaderboard
    from vicabench.front.maps import Maps, maps
    from vicabench.front.overlap import Leaks, audit_against
    from vicabench.front.plan import RunPlan, run_plan
    from vicabench.front.power import Power, power
    from vicabench.front.publish import publish
    from vicabench.front.published import published
    from vicabench.front.rank import Ranking, rank
    from vicabench.front.report import report
    from vicabench.front.run import evaluate, run, run_all
    from vicabench.front.runs import Runs, runs
    from vicabench.front.scaling import published_curves, scaling_curve
    from vicabench.front.score import Score, score
    from vicabench.front.train import recipes, train, training_plan
    from vicabench.front.verify import verify
    from vicabench.front.without import without
    from vicabench.results.run import Run, load_all
    from vicabench.results.run import load_run as load
    from vicabench.rubric import Task
    from vicabench.types import Answer, Question, Video

_PLACES = {
    "Answer": "vicabench.types",
    "Audited": "vicabench.front.audit",
    "HF": "vicabench.adapters.hf.memory",
    "Power": "vicabench.front.power",
    "Labels": "vicabench.front.labels",
    "Leaks": "vicabench.front.overlap",
    "Maps": "vicabench.front.maps",
    "Question": "vicabench.types",
    "Ranking": "vicabench.front.rank",
    "Run": "vicabench.results.run",
    "Runs": "vicabench.front.runs",
    "RunPlan": "vicabench.front.plan",
    "Score": "vicabench.front.score",
    "Task": "vicabench.rubric",
    "TrainerCallback": "vicabench.front.callback",
    "UserError": "vicabench.errors",
    "Video": "vicabench.types",
    "answerable": "vicabench.front.answerable",
    "ask": "vicabench.front.ask",
    "audit": "vicabench.front.audit",
    "audit_against": "vicabench.front.overlap",
    "audit_labels": "vicabench.front.labels",
    "benchmark": "vicabench.front.benchmark",
    "canonicalize": "vicabench.front.canonicalize",
    "compare": "vicabench.front.compare",
    "compare_published": "vicabench.front.compare",
    "data": "vicabench.front.data:",
    "demo": "vicabench.front.demo",
    "describe": "vicabench.front.describe",
    "encoded": "vicabench.front.ask",
    "evaluate": "vicabench.front.run",
    "examine_machine": "vicabench.doctor.report",
    "explain": "vicabench.front.explain",
    "figures": "vicabench.front.figures",
    "import_results": "vicabench.front.import_results",
    "init": "vicabench.front.init",
    "judge": "vicabench.front.judge",
    "leaderboard": "vicabench.front.leaderboard",
    "load": "vicabench.results.run:load_run",
    "load_all": "vicabench.results.run",
    "maps": "vicabench.front.maps",
    "merge": "vicabench.engine.shards",
    "models": "vicabench.front.models:",
    "plot": "vicabench.front.plot:",
    "power": "vicabench.front.power",
    "publish": "vicabench.front.publish",
    "published": "vicabench.front.published",
    "published_curves": "vicabench.front.scaling",
    "rank": "vicabench.front.rank",
    "recipes": "vicabench.front.train",
    "report": "vicabench.front.report",
    "run": "vicabench.front.run",
    "run_all": "vicabench.front.run",
    "run_plan": "vicabench.front.plan",
    "runs": "vicabench.front.runs",
    "scaling_curve": "vicabench.front.scaling",
    "score": "vicabench.front.score",
    "shared": "vicabench.front.compare",
    "train": "vicabench.front.train",
    "training_plan": "vicabench.front.train",
    "verify": "vicabench.front.verify",
    "without": "vicabench.front.without",
}
__all__ = [
    "HF",
    "Answer",
    "Audited",
    "Labels",
    "Leaks",
    "Maps",
    "Power",
    "Question",
    "Ranking",
    "Run",
    "RunPlan",
    "Runs",
    "Score",
    "Task",
    "TrainerCallback",
    "UserError",
    "Video",
    "answerable",
    "ask",
    "audit",
    "audit_against",
    "audit_labels",
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
    "explain",
    "figures",
    "import_results",
    "init",
    "judge",
    "leaderboard",
    "load",
    "load_all",
    "maps",
    "merge",
    "models",
    "plot",
    "power",
    "publish",
    "published",
    "published_curves",
    "rank",
    "recipes",
    "report",
    "run",
    "run_all",
    "run_plan",
    "runs",
    "scaling_curve",
    "score",
    "shared",
    "train",
    "training_plan",
    "verify",
    "without",
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
    # "module:" stands for the module itself, "module:name" for an attribute of another name.
    value = module if colon and not attribute else getattr(module, attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
