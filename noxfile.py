"""Everything that is checked, built or shown: `nox` checks, `nox -l` lists the rest."""

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True

CONSTRAINTS = ("-c", "constraints.txt")
GROUPS = nox.project.load_toml("pyproject.toml")["dependency-groups"]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff and types with mypy."""
    session.install(*CONSTRAINTS, "-e", ".[models]", *GROUPS["lint"], *GROUPS["test"], "nox")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests (`nox -s tests -- -k words` for some), the models' on a CPU."""
    session.install(*CONSTRAINTS, "-e", ".[models]", *GROUPS["test"])
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job on Rooms in a fresh environment, and draw the picture of the README."""
    session.install(*CONSTRAINTS, ".", "matplotlib")
    models = [f"--model=baseline:{name}" for name in ("random", "frequency", "oracle")]
    out = f"--out={session.create_tmp()}/runs"
    session.run("vicabench", "run", "--benchmark=rooms", *models, out, *session.posargs)
    session.run("python", "docs/picture.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed: ratios within one run."""
    session.install(*CONSTRAINTS, "-e", ".")
    session.run("python", "benchmarks/speed.py", *session.posargs)


@nox.session
def distributed(session: nox.Session) -> None:
    """Compare ZeRO-2 and ZeRO-3 in two processes on a CPU with a single process."""
    build = {"DS_BUILD_OPS": "0"}
    session.install(*CONSTRAINTS, "-e", ".[models,train]", *GROUPS["test"], env=build)
    session.run("pytest", "-m", "distributed", *session.posargs)


@nox.session
def gpu(session: nox.Session) -> None:
    """Run the tests that need a GPU, with the torch build for it."""
    session.install("-e", ".[models]", *GROUPS["test"])
    session.run("pytest", "-m", "gpu", "-s", *session.posargs)
