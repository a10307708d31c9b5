"""Versions, the packages that vicabench needs, and the extras that may be installed."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import InvalidRequirement, Requirement

import vicabench
from vicabench.doctor.findings import BROKEN, NOTE, OK, WARNING, Finding

SECTION = "software"
EXTRAS = "extras"
OLDEST = (3, 11)
PURPOSES = {
    "models": "ViCA, ViCA2 and other models that run here",
    "gpu": "flash_attention_2 on NVIDIA GPUs",
    "train": "training on several GPUs",
    "cluster": "runs on many machines",
    "api": "models behind an API",
    "video": "frames as a video for models of transformers",
}
NOTES = {
    "models": "with the build of torch for your GPU",
    "video": "with the build of torchvision that fits your torch",
    "gpu": "which compiles, for NVIDIA GPUs alone",
}
"""What else should be known before an extra is installed."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """A package that is needed; what is installed of it, None for nothing; and if that will do."""

    name: str
    installed: str | None
    wanted: str
    good: bool

    def __str__(self) -> str:
        there = f"is {self.installed}" if self.installed else "is missing"
        return f"{self.name} {there}" + (f" (needs {self.wanted})" if self.wanted else "")


def software() -> Iterator[Finding]:
    """Python, vicabench and the packages that it cannot do without."""
    good = sys.version_info >= OLDEST
    yield Finding(
        section=SECTION,
        name="python",
        text=f"{platform.python_version()}, {platform.platform()}",
        state=NOTE if good else BROKEN,
        remedy="" if good else "vicabench needs Python 3.11 or newer.",
        facts={"version": platform.python_version(), "platform": platform.platform()},
    )
    yield Finding(
        section=SECTION,
        name="vicabench",
        text=vicabench.__version__,
        state=NOTE,
        facts={"version": vicabench.__version__},
    )
    yield _required()


def _required() -> Finding:
    needs = _needs(None)
    if not needs:
        return Finding(
            section=SECTION,
            name="packages",
            text="vicabench runs from its source without being installed: what it needs is unknown",
            state=WARNING,
            remedy="pip install -e .",
        )
    bad = [need for need in needs if not need.good]
    return Finding(
        section=SECTION,
        name="packages",
        text=", ".join(map(str, bad)) or f"all {len(needs)} that it needs",
        state=BROKEN if bad else OK,
        remedy=_mended(bad) if bad else "",
        facts={need.name: need.installed for need in needs},
    )


def extras() -> Iterator[Finding]:
    """Each optional extra: whether all of it is there, or the command that installs it."""
    for extra in _extras():
        needs = _needs(extra)
        missing = [need for need in needs if not need.good]
        purpose = PURPOSES.get(extra, "")
        versions = ", ".join(f"{need.name} {need.installed}" for need in needs)
        yield Finding(
            section=EXTRAS,
            name=extra,
            text=f"{', '.join(map(str, missing))}: {purpose}" if missing else versions,
            state=_state(missing),
            remedy=_install(extra) if missing else "",
            facts={need.name: need.installed for need in needs},
        )


def _mended(bad: Iterable[Need]) -> str:
    """The command that brings what is needed; naming vicabench would leave others as they are."""
    return "pip install " + " ".join(f'"{need.name}{need.wanted}"' for need in bad)


def _state(bad: Sequence[Need]) -> str:
    """An extra that is not installed is worth knowing; one that is too old is in the way."""
    return WARNING if any(need.installed for need in bad) else NOTE if bad else OK


def _install(extra: str) -> str:
    note = f", {NOTES[extra]}" if extra in NOTES else ""
    return f'pip install "vicabench[{extra}]"{note}'


def _extras() -> list[str]:
    try:
        return metadata("vicabench").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def _needs(extra: str | None) -> list[Need]:
    """What the installed vicabench says it needs, for one extra or without any."""
    try:
        lines = requires("vicabench") or []
    except PackageNotFoundError:
        return []
    found: dict[str, Need] = {}
    for line in lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if _applies(wanted, extra):
            for need in _needs_of(wanted):
                found[need.name] = need
    return list(found.values())


def _applies(wanted: Requirement, extra: str | None) -> bool:
    """Whether it is asked for by this extra alone, or without any."""
    plainly = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
    if extra is None:
        return plainly
    return not plainly and wanted.marker is not None and wanted.marker.evaluate({"extra": extra})


def _needs_of(wanted: Requirement) -> Iterator[Need]:
    """The package itself; or, where an extra names another of ours, what that one needs."""
    if _plain(wanted.name) == "vicabench":
        for extra in wanted.extras:
            yield from _needs(extra)
        return
    try:
        installed = version(wanted.name)
    except PackageNotFoundError:
        installed = None
    yield Need(
        name=wanted.name,
        installed=installed,
        wanted=str(wanted.specifier),
        good=installed is not None and wanted.specifier.contains(installed, prereleases=True),
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
