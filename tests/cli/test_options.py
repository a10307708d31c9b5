"""No option is ignored in silence: each is used whatever else is given, or refused by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.support import rows_about, write_jsonl
from vicabench.cli.main import app
from vicabench.errors import UserError

VIDEO = "--frames --workers --prefetch --video-timeout --decoder --frame-cache"
WHERE = "--executor --shard --answer-timeout"
ASKED = "--benchmark --limit --retry-errors --seed"

USED = {
    "run": f"{ASKED} {WHERE} --model --tasks --out --no-video --wording --protocol --format"
    " --with-map --meta --config --dry-run",
    "runs": "--protocol --format",
    "score": "--protocol --format --published --json --grades --out --answerable --without"
    " --rebalanced",
    "ask": "--model --frames --video-timeout --decoder --json",
    "canonicalize": "--model --out --max-new-tokens --retry-errors",
    "describe": f"{ASKED} {VIDEO} {WHERE} --model --series --prompt --out --max-new-tokens",
    "maps": f"{ASKED} {VIDEO} {WHERE} --model --series --meta --prompt --out --max-new-tokens"
    " --format",
    "judge": "--model --out --format --max-new-tokens --retry-errors",
    "verify": "--model --benchmark --limit --frames --max-new-tokens --json",
    "merge": "--out --partial",
    "import": "--out --model --benchmark",
    "compare": "--protocol --format --published --subtract --margin --out",
    "rank": "--published --by --protocol --format",
    "power": "--published --data --difference --power --level --correlation --simulations"
    " --protocol --format",
    "explain": "--protocol --format --shared --out --between --run",
    "audit": "--tasks --limit --with --folds --seed --trees --prune --prune-bias --top --out"
    " --format --labels",
    "published": "--model --thinking --curves --zoo --format --out",
    "figures": "--out --kind --format --protocol --shared --width --font --font-size --no-notes",
    "scaling-curve": f"{ASKED} --tasks --series --published-only --out --format --protocol",
    "leaderboard": "--out --protocol --published --title",
    "publish": "--to --protocol --private --yes --dry-run",
    "report": "--out --format --protocol --compare --published",
    "demo": "--out --scenes --test-scenes --seed --blind --from-scratch",
    "doctor": "--frame-cache --json",
    "train": "--list --dry-run --gpu-memory --data --media",
    "data fetch": "--data --revision --repo --questions-only --subset",
    "data unpack": "--data --repo --keep-zips --subset",
    "data rooms": "--out --scenes --seed --questions --workers --generator",
    "data training-rooms": "--out --scenes --seed --grey",
    "data list": "",
    "data check": "--videos --problems",
    "data answerable": "--out --any-pixel",
    "data dummy": "--seen --out --frames",
    "init": "",
    "models list": "",
    "models fetch": "",
    "models show": "--frames",
    "models init": "--out --size --family --seed",
}
"""The options that each command uses whatever else is given."""

ROOMS = "--benchmark own.jsonl"
BASELINE = f"run {ROOMS} --model baseline:random --no-video"
OPENAI = f"run {ROOMS} --model openai:any"
REFUSED = {
    # What models of another kind have no use for, `run` says when it opens them.
    **{f"{BASELINE} {name} {value}": name for name, value in (
        ("--device", "cpu"), ("--dtype", "float32"), ("--attention", "eager"),
        ("--time-instruction", ""), ("--blind", ""), ("--text-only", ""),
        ("--group-size", 2), ("--vision-batch", 2),
        ("--compile", ""), ("--max-new-tokens", 9), ("--wording", "vsi-bench"),
        ("--temperature", 1), ("--presence-penalty", 1), ("--repetition-penalty", 2),
        ("--base-url", "http://x"), ("--image-size", 99), ("--jpeg-quality", 9),
        ("--as-frames", ""), ("--concurrency", 2), ("--request-timeout", 9), ("--max-retries", 2),
        ("--retry-wait", 2),
        ("--max-requests", 9), ("--max-cost", 9), ("--prices", "p.json"), ("--batch", ""),
        ("--frames", 8), ("--workers", 2), ("--prefetch", 2), ("--video-timeout", 9),
        ("--decoder", "pyav"), ("--fps", 2), ("--max-frames", 2), ("--frame-rule", "seg"),
        ("--as", "official"), ("--generation", "g.json"), ("--system", "Hi"),
        ("--frames-as", "images"), ("--min-pixels", 9), ("--max-pixels", 9),
        ("--total-pixels", 9), ("--assume-fps", 2), ("--vllm-python", "p"),
        ("--tensor-parallel", 2), ("--max-model-len", 99), ("--gpu-memory", 0.5),
        ("--frame-cache", "c"), ("--frame-cache-size", "1GB"),
        ("--data", "d"), ("--subset", "pruned"), ("--published", ""), ("--address", "h:1"),
        ("--gpus-per-worker", 1), ("--replicas", 2),
    )},
    f"{BASELINE} --executor here --devices cpu": "--devices",
    "run --model baseline:random --no-video --videos d": "--videos",
    f"run {ROOMS} --model baseline:random --frame-cache-size 1GB": "--frame-cache",
    f"{OPENAI} --max-cost 2": "--prices",
    f"{OPENAI} --batch --executor local --devices cpu": "--executor",
    f"{OPENAI} --max-retries 0 --retry-wait 2": "--retry-wait",
    f"{OPENAI} --device cpu": "--device",
    f"{OPENAI} --top-p 0.5": "--temperature",
    f"run {ROOMS} --model baseline:frequency --no-video --repeats 2": "--repeats",
    f"{OPENAI} --temperature 1 --top-k 5": "--top-k",
    f"{OPENAI} --repetition-penalty 1.1": "--repetition-penalty",
    "ask clip.mp4 --model baseline:random": "baseline:random",
    "canonicalize p.jsonl --model hf:x/y --concurrency 3": "--concurrency",
    "canonicalize p.jsonl --model openai:x --max-cost 2": "--prices",
    "verify --model baseline:random --subset pruned": "--subset",
    "verify --model baseline:random --data d": "--data",
    "verify --model baseline:random --videos d": "--videos",
    "import jsonl p.jsonl --out r --subset pruned": "--subset",
    "import jsonl p.jsonl --out r --data d": "--data",
    "import lmms-eval p.jsonl --out r --column a=b": "--column",
    "score p.jsonl --answerable-at 16": "--answerable",
    "score p.jsonl --width column": "--width",
    "score p.jsonl --format latex --no-intervals": "--no-intervals",
    "compare p.jsonl --published ViCA2-7B --shared": "--shared",
    "rank --published all --shared": "--shared",
    "explain p.jsonl q.jsonl --run-folders d": "--run",
    "compare p.jsonl --published ViCA2-7B --fixed 3": "--fixed",
    "compare p.jsonl q.jsonl --fixed 3 --format json": "--fixed",
    "audit own.jsonl --prune-by task": "--prune-by",
    "audit own.jsonl --batch 2": "--batch",
    "audit own.jsonl --protocol vlmevalkit": "--protocol",
    "audit own.jsonl --labels --against t.json": "--against",
    "audit own.jsonl --labels --trees 3": "--trees",
    "audit own.jsonl --against t.json --with p.jsonl": "--with",
    "audit own.jsonl --against t.json --top 3": "--top",
    "audit own.jsonl --media d": "--media",
    "audit own.jsonl p.jsonl": "--labels",
    "audit p.jsonl --labels --limit 3": "benchmark",
    "audit own.jsonl --subset pruned": "--subset",
    "audit own.jsonl --data d": "--data",
    "published --thinking --task route_planning": "--task",
    "published --zoo --source ViCA2": "--source",
    "published --zoo --curves": "--curves",
    "figures p.jsonl --kind tasks --published": "--published",
    "scaling-curve --published-only --published": "--published",
    "scaling-curve --published-only --evict": "--evict",
    "scaling-curve --published-only --evict-all": "--evict",
    "scaling-curve --published-only --run-folders d": "--run-folders",
    "scaling-curve --published-only --no-video": "--no-video",
    "scaling-curve --published-only --models a b": "--models",
    "scaling-curve --published-only --runs .": "--runs",
    "scaling-curve --runs . --limit 3": "--limit",
    "scaling-curve --runs . --seed 3": "--seed",
    "report p.jsonl --format latex --frames 3": "--frames",
    "report p.jsonl --format latex --benchmark rooms": "--benchmark",
    "report p.jsonl --format latex --videos .": "--videos",
    "report p.jsonl --frames 0 --workers 2": "--workers",
    "report p.jsonl --frames 0 --video-timeout 9": "--video-timeout",
    "train --list --pack 2": "--pack",
    "train --list --set batch.pack=2": "--set",
    "train vica2-rooms --list": "vica2-rooms",
    "train vica2-rooms --dry-run --resume last": "--resume",
    "train vica2-rooms --gpu-memory 80": "--gpu-memory",
    "train vica2-rooms --devices 2 --set hardware.devices=3": "--devices",
    "train vica2-rooms --save-every 5% --set saving.every=0.1": "--save-every",
    "train vica2-rooms --out a --set output=b": "--out",
    "data fetch vsi-bench --include a*": "--include",
    "data fetch vsi-bench --questions-only --keep-zips": "--keep-zips",
    "data fetch vica-322k --keep-zips": "--keep-zips",
    "models show vica-tiny --hiera-frames 2": "Hiera",
    "models show vica-tiny --hiera-stage 2": "Hiera",
    "models show vica-tiny --hiera-pool 2": "Hiera",
}  # fmt: skip
"""Commands that have an option which would say nothing there, and what the refusal names."""

ALIKE = dict.fromkeys(
    ("describe", "maps", "scaling-curve", "ask", "verify", "canonicalize", "judge"), "run"
)
"""Commands that check options by the same code as another one."""


def options_of(command: Any, *path: str) -> Iterator[tuple[str, set[str]]]:
    """The name of every command below this one, and its options."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from options_of(inner, *path, name)
    if not hasattr(command, "commands"):
        found = {max(p.opts, key=len) for p in command.params if p.param_type_name == "option"}
        yield " ".join(path), found - {"--help", "--help-all"}


def test_every_option_is_used_or_refused() -> None:
    known = {name: set(typed.split()) for name, typed in USED.items()}
    for typed in REFUSED:
        words = typed.split()
        name = " ".join(words[:2]) if words[0] in ("data", "models") else words[0]
        known[name].update(word for word in words if word.startswith("--"))
    for name, options in options_of(typer.main.get_command(app)):
        unknown = options - known[name] - known[ALIKE.get(name, name)]
        assert not unknown, f"{name}: say in this file where {unknown} are refused"


@pytest.mark.parametrize("typed", REFUSED)
def test_an_option_that_would_say_nothing_is_refused(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    rows = rows_about(1)
    write_jsonl(tmp_path / "own.jsonl", rows)
    for name in ("p.jsonl", "q.jsonl"):
        write_jsonl(tmp_path / name, [{**row, "response": "A"} for row in rows])
    for name in ("clip.mp4", "clip0.mp4"):
        (tmp_path / name).touch()
    done = CliRunner().invoke(app, typed.split())
    assert isinstance(done.exception, UserError), done.output
    assert REFUSED[typed] in str(done.exception)
