"""The files around the code: workflow, hooks, templates, citation, Dockerfile."""

import ast
import re
from pathlib import Path
from typing import Any

import yaml

import vicabench

ROOT = Path(__file__).parent.parent


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def sessions() -> set[str]:
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    decorated = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.decorator_list]
    return {function.name for function in decorated}


def test_the_workflow_runs_sessions_that_exist() -> None:
    jobs = read(".github/workflows/ci.yml")["jobs"]
    assert {"run": ".ci/run"} in jobs["checks"]["steps"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    named = jobs["sessions"]["strategy"]["matrix"]["session"]
    assert {"build"} <= set(named) <= sessions()


def test_hooks_and_constraints_name_the_same_versions() -> None:
    (repo,) = read(".pre-commit-config.yaml")["repos"]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line for hook in repo["hooks"] for line in hook.get("additional_dependencies", [])}
    assert pinned
    assert pinned <= set(constraints)


def test_issue_forms_have_what_the_platform_asks_for() -> None:
    for name in ("bug", "feature"):
        form = read(f".github/ISSUE_TEMPLATE/{name}.yml")
        assert {"name", "description", "body"} <= set(form)
        ids = [part["id"] for part in form["body"]]
        assert len(ids) == len(set(ids))
        assert all(part["attributes"]["label"] for part in form["body"])


def test_the_citation_has_this_version_and_its_sources() -> None:
    citation = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == vicabench.__version__
    published = (ROOT / "vicabench/reference/citations.csv").read_text(encoding="utf-8")
    assert all(reference["url"] in published for reference in citation["references"])


def test_the_image_is_built_from_what_is_there() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line[:1] not in ("", "#")]
    words = [line.split() for line in lines]
    known = {"FROM", "COPY", "RUN", "USER", "ENV", "WORKDIR", "ENTRYPOINT", "CMD"}
    assert words[0][0] == "FROM"
    assert {first for first, *_ in words} <= known
    sent = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    sources = {source for first, *rest in words if first == "COPY" for source in rest[:-1]}
    assert sources <= sent
    assert all((ROOT / source).exists() for source in sources)
    assert "--constraint /src/constraints.txt" in text
