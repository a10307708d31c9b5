"""The house rules that a machine can check: arrows between packages, sizes, late imports."""

import ast
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"vicabench": ROOT / "vicabench", "vica": ROOT / "models" / "vica"}
MAX_FILE, MAX_FUNCTION = 450, 40

# What each part of vicabench may import of ours, besides itself: the ground floor first, then in
# an order in which a part imports only what stands above it. `vica` alone imports nothing of it.
NOUNS = {"errors", "options", "types", "files", "ending", "runtime", "metrics", "rubric", "wording"}
ARROWS: dict[str, set[str]] = {
    "errors": {"vica.errors"},
    "files": {"errors"},
    "ending": set(),
    "options": set(),
    "metrics": {"errors"},
    "rubric": {"errors", "metrics"},
    "wording": {"errors", "metrics"},
    "types": {"options", "metrics", "rubric", "wording"},
    "runtime": set(),
    "rooms": NOUNS,
    # Training data has the models' own wording.
    "rooms.training": NOUNS | {"vica.chat", "rooms"},
    "benchmarks": NOUNS | {"vica.hub", "vica.parquet", "rooms"},
    # It opens the videos.
    "benchmarks.check": NOUNS | {"vica.containers", "benchmarks"},
    "harnesses": NOUNS | {"vica.chat", "benchmarks"},
    "predictions": NOUNS | {"benchmarks"},
    "reference": NOUNS,
    "scoring": NOUNS | {"harnesses", "predictions", "reference"},
    "zoo": NOUNS | {"vica.hub", "reference"},
    "adapters": NOUNS | {"vica", "harnesses", "predictions", "reference", "scoring", "zoo"},
    "results": NOUNS | {"benchmarks", "harnesses", "predictions", "reference", "scoring"},
    "curves": NOUNS | {"harnesses", "reference", "results", "scoring"},
    "audits": NOUNS | {"benchmarks", "harnesses", "results", "scoring"},
    "audits.frames": NOUNS | {"vica.video", "vica.containers", "audits"},
    # Training data is read as it is for training.
    "audits.overlap": NOUNS | {"vica.errors", "vica.training", "audits"},
    "engine": NOUNS | {"vica.video", "adapters", "benchmarks", "predictions", "results"},
    "screen": NOUNS,
    "doctor": NOUNS | {"vica.video", "benchmarks", "engine", "screen"},
    "judging": NOUNS | {"adapters", "benchmarks", "harnesses", "predictions", "results", "scoring"},
    "mapping": NOUNS | {"benchmarks", "harnesses", "results", "rooms", "scoring"},
    "reporting": NOUNS
    | {"audits", "curves", "harnesses", "judging", "mapping", "reference", "results", "scoring"},
    "publishing": NOUNS | {"harnesses", "reporting", "results", "zoo"},
    "front": {"vicabench", "vica"},  # all of it but the commands, by the test of circles
    "cli": {"vicabench", "vica"},  # all of it
    "__main__": {"cli"},
}
# The only places where torch may be imported.
TORCH = ("vica", "vicabench.adapters", "vicabench.front.callback")
NO_TORCH = (
    "vica",
    "vica.budget",
    "vica.chat",
    "vica.containers",
    "vica.errors",
    "vica.hub",
    "vica.images",
    "vica.pictures",
    "vica.registration",
    "vica.tensors",
    "vica.training.config",
    "vica.training.files",
    "vica.training.index",
    "vica.training.packing",
    "vica.training.recipes",
    "vica.training.records",
    "vica.training.settings",
    "vica.training.sources",
    "vica.video",
    "vica.whole",
)


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            yield ".".join(p for p in parts if p != "__init__"), path


MODULES = dict(modules())


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """The full names a module imports, also inside functions; `from a import b` gives a.b."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)


def is_in(name: str, part: str) -> bool:
    return name == part or name.startswith(part + ".")


def full(part: str) -> str:
    return part if part.split(".", maxsplit=1)[0] in PACKAGES else f"vicabench.{part}"


@pytest.mark.parametrize("module", [name for name in MODULES if name != "vicabench"])
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    if is_in(module, "vica"):
        part, allowed = "vica", set[str]()
    else:
        part = max((p for p in ARROWS if is_in(module, full(p))), key=len)
        allowed = ARROWS[part]
    for name in imports(MODULES[module]):
        # `vicabench` itself has the version, and imports what else it offers when that is used.
        if name.split(".")[0] in PACKAGES and name != "vicabench" and not is_in(name, full(part)):
            good = any(is_in(name, full(a)) for a in allowed)
            assert good, f"{module} imports {name}; {part} may import {sorted(allowed)}"


def circles(arrows: dict[str, set[str]]) -> list[str]:
    try:
        tuple(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_and_no_package_imports_one_that_imports_it() -> None:
    modules = {name: set(imports(path)) & set(MODULES) - {name} for name, path in MODULES.items()}
    del modules["vicabench"]  # it imports only what is used of it, when that is used
    assert circles(modules) == []
    packages: dict[str, set[str]] = {}
    for name, imported in modules.items():
        package = ".".join(name.split(".")[:2])
        packages.setdefault(package, set()).update(".".join(i.split(".")[:2]) for i in imported)
        packages[package].discard(package)
    ours = {p: {i for i in them if is_in(i, "vicabench")} for p, them in packages.items()}
    assert circles(ours) == []


@pytest.mark.parametrize("module", MODULES)
def test_torch_is_imported_only_where_models_run(module: str) -> None:
    may = any(is_in(module, p) for p in TORCH) and module not in NO_TORCH
    names = {name.split(".")[0] for name in imports(MODULES[module])}
    assert may or not names & {"torch", "transformers"}


PRINTS = {"print", "typer.echo", "sys.stdout.write", "sys.stderr.write", "Console"}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("vicabench")])
def test_one_module_alone_prints_and_cleans(module: str) -> None:
    calls = [node for node in ast.walk(parsed(MODULES[module])) if isinstance(node, ast.Call)]
    found = {name for call in calls if (name := ast.unparse(call.func)) in PRINTS}
    # A worker's last words are in its own log, its name for a video by `repr`.
    excused = {"vicabench.screen", "vicabench.engine.workers.worker"}
    assert not found or module in excused


PRIVATE_OF_TRANSFORMERS = {"_attn_implementation"}
"""What transformers offers no public way to read."""


@pytest.mark.parametrize("module", [m for m in MODULES if is_in(m, "vicabench.adapters.hf")])
def test_models_of_transformers_are_used_by_their_public_names(module: str) -> None:
    for node in ast.walk(parsed(MODULES[module])):
        if isinstance(node, ast.Attribute) and not is_self(node.value):
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            assert not private or node.attr in PRIVATE_OF_TRANSFORMERS, f"{module}: {node.attr}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("transformers"):
            assert not [alias.name for alias in node.names if alias.name.startswith("_")], module


def is_self(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in {"self", "cls"}


COUNTS = re.compile(
    r" (?:(?!and|are|has|holds|of|whose|with)[a-z-]+ )?(attempts|blocks|bytes|characters|"
    r"checkpoints|conversations|devices|entries|faces|files|frames|ids|images|layers|levels|"
    r"models|options|packets|packs|parts|pixels|points|processes|questions|records|replies|"
    r"requests|rooms|rows|runs|scenes|seconds|sources|steps|subsets|things|times|tokens|videos|"
    r"visuals|weights|workers)\b"
)
MEASURED = re.compile(r"(\.\d*)?[fg%]")
"""Formats of numbers with fractions, which have the plural whatever they are."""


def pieces(text: ast.JoinedStr) -> Iterator[tuple[str, ast.FormattedValue, str]]:
    """Each value of an f-string, between the texts before and after it."""
    texts = [p.value if isinstance(p, ast.Constant) else "" for p in text.values]
    for i, piece in enumerate(text.values):
        if isinstance(piece, ast.FormattedValue):
            yield str([*texts, ""][i - 1]), piece, str([*texts, ""][i + 1])


# What it says is the wording that the models were trained on.
@pytest.mark.parametrize("module", [name for name in MODULES if name != "vica.chat"])
def test_numbers_and_names_before_nouns_go_through_the_helper(module: str) -> None:
    found = [node for node in ast.walk(parsed(MODULES[module])) if isinstance(node, ast.JoinedStr)]
    for before, value, after in (piece for text in found for piece in pieces(text)):
        said = f"{before}{{{ast.unparse(value.value)}}}{after}"
        if isinstance(value.value, ast.Name) and value.value.id.isupper():
            continue  # a constant, whose article and plural can be written
        assert not re.search(r"\b[Aa]n? $", before), f"{module}: an(...) for {said!r}"
        spec = ast.unparse(value.format_spec)[2:-1] if value.format_spec else ""
        if not MEASURED.search(spec):
            assert not COUNTS.match(after), f"{module}: counted(...) for {said!r}"


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_are_small(module: str) -> None:
    path = MODULES[module]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or 0) - node.body[0].lineno + 1
            assert size <= MAX_FUNCTION, f"{module}.{node.name} has {size} lines"


def test_the_table_of_arrows_names_only_what_exists() -> None:
    assert [p for p in ARROWS if not any(is_in(m, full(p)) for m in MODULES)] == []


def loaded_after(arguments: list[str], cwd: Path) -> set[str]:
    """The top-level modules that a command has imported when it ends."""
    script = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('LOADED', *sorted({m.split('.')[0] for m in sys.modules})))"
        f"\nsys.argv[1:] = {arguments!r}\n"
        "from vicabench.cli.main import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=cwd, check=True
    )
    return set(done.stdout.split("LOADED", 1)[1].split())


def test_the_light_modules_of_vica_load_neither_torch_nor_transformers() -> None:
    light = ", ".join(NO_TORCH)
    script = f"import sys, {light}; print(sorted({{'torch', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_and_score_start_without_what_they_do_not_need(tmp_path: Path) -> None:
    assert find_spec("torch"), "install torch, or this test proves nothing"
    line = (
        '{"id": 1, "video": "v", "question_type": "object_counting", '
        '"ground_truth": "2", "response": "2"}\n'
    )
    (tmp_path / "p.jsonl").write_text(line, encoding="utf-8")
    heavy = {"torch", "transformers", "av", "decord", "huggingface_hub", "pyarrow", "shapely"}
    heavy |= {"datasets", "pandas"}
    for command in ([], ["run"], ["score"]):
        loaded = loaded_after([*command, "--help"], tmp_path)
        assert not loaded & (heavy | {"numpy", "scipy", "matplotlib"}), command
    assert not loaded_after(["score", "p.jsonl"], tmp_path) & heavy


def seconds_to_end(command: list[str]) -> float:
    """The best of five, in seconds of computing: a busy machine makes others wait, not compute."""
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_help_comes_soon_after_what_prints_it() -> None:
    typer = seconds_to_end([sys.executable, "-c", "import typer"])
    assert seconds_to_end([sys.executable, "-m", "vicabench", "--help"]) < 5 * typer  # 3.4 of it
