"""Installed versions, missing packages, and extras."""

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
    "models": "ViCA, ViCA2 and other local models",
    "gpu": "flash_attention_2 on NVIDIA GPUs",
    "train": "training on several GPUs",
    "cluster": "runs on many machines",
    "api": "models behind an API",
    "video": "frames as a video for models of transformers",
}
NOTES = {
    "models": "with the build of torch for your GPU",
    "video": "with the build of torchvision that fits your torch",
    "gpu": "which compiles code, for NVIDIA GPUs only",
}
"""What to know before installing an extra."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """A needed package.

    `installed` is its installed version (None if missing), `required` the version specifier, and
    `satisfied` whether the first meets the second.
    """

    name: str
    installed: str | None
    required: str
    satisfied: bool

    def __str__(self) -> str:
        state = f"is {self.installed}" if self.installed else "is missing"
        return f"{self.name} {state}" + (f" (needs {self.required})" if self.required else "")


def software() -> Iterator[Finding]:
    """Python, vicabench and its required packages."""
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
            text="vicabench runs from source without being installed: its requirements are unknown",
            state=WARNING,
            remedy="pip install -e .",
        )
    bad = [need for need in needs if not need.satisfied]
    return Finding(
        section=SECTION,
        name="packages",
        text=", ".join(map(str, bad)) or f"all {len(needs)} required ones are installed",
        state=BROKEN if bad else OK,
        remedy=_install_all(bad) if bad else "",
        facts={need.name: need.installed for need in needs},
    )


def extras() -> Iterator[Finding]:
    """Each optional extra: whether it is complete, or the command that installs it."""
    for extra in _extras():
        needs = _needs(extra)
        missing = [need for need in needs if not need.satisfied]
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


def _install_all(bad: Iterable[Need]) -> str:
    """The command that installs the packages; `pip install vicabench` would not upgrade them."""
    return "pip install " + " ".join(f'"{need.name}{need.required}"' for need in bad)


def _state(bad: Sequence[Need]) -> str:
    """The state of an extra: NOTE if packages are missing, WARNING if one is too old."""
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
    """The requirements of the installed vicabench, for one extra or without any."""
    try:
        lines = requires("vicabench") or []
    except PackageNotFoundError:
        return []
    needs: dict[str, Need] = {}
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if _applies(requirement, extra):
            for need in _needs_of(requirement):
                needs[need.name] = need
    return list(needs.values())


def _applies(requirement: Requirement, extra: str | None) -> bool:
    """Whether a requirement belongs to this extra, or (for None) to vicabench without extras."""
    unconditional = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    if extra is None:
        return unconditional
    return (
        not unconditional
        and requirement.marker is not None
        and requirement.marker.evaluate({"extra": extra})
    )


def _needs_of(requirement: Requirement) -> Iterator[Need]:
    """The package itself; or, for an extra that includes another of ours, the needs of that."""
    if _plain(requirement.name) == "vicabench":
        for extra in requirement.extras:
            yield from _needs(extra)
        return
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        installed = None
    yield Need(
        name=requirement.name,
        installed=installed,
        required=str(requirement.specifier),
        satisfied=installed is not None
        and requirement.specifier.contains(installed, prereleases=True),
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
