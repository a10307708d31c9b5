"""What a grading protocol is, and which ones exist in which versions.

A protocol is how a harness reads a reply, scores what it reads and averages the scores. Harnesses
change, so that theirs have versions: `lmms-eval@0.7.2`; a bare name is the newest version. A new
protocol is one file that defines `PROTOCOL`, or `VERSIONS`, and one line in `GENERAL` or
`OF_BENCHMARKS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from vicabench.errors import ConfigError, did_you_mean
from vicabench.metrics import MRA, Metric
from vicabench.rubric import OFFICIAL, Overall, Rubric, Task


def first_yes_or_no(reply: str) -> str | None:
    """The first word if it is yes or no, whatever its case and the punctuation behind it."""
    word = (reply.split() or [""])[0].strip(".,;:!*\"'()").lower()
    return word if word in ("yes", "no") else None


def whole_text(reply: str) -> str | None:
    """The reply without white space around it; None for an empty one."""
    return reply.strip() or None


PLAIN = (Overall(),)
"""The headline that a protocol may average in its own way: the unweighted mean of the tasks."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a harness reads a reply, without access to the ground truth, scores and averages.

    Attributes:
        name: The name in files, with its version: `lmms-eval@0.7.2`.
        source: Where the rule is published.
        read_number: Reads a number from the raw reply, given the unit that the question asks for
            (see `Rubric`); None if it reads nothing.
        read_choice: Reads a letter from the raw reply, given the options (empty if unknown); None
            if it reads nothing.
        read_yes_no: Reads `yes` or `no` from the raw reply; None if it reads neither.
        read_text: Reads the text that answers a free question; None if there is none.
        numbers: The score of a number, in place of mean relative accuracy; None for the rubric's.
        overall: The headline score, in place of the mean of the tasks; None for the rubric's.
        decimals: To how many decimals the harness rounds its scores, as shares of 1.
    """

    name: str
    source: str
    read_number: Callable[[str, str], float | None]
    read_choice: Callable[[str, Sequence[str]], str | None]
    read_yes_no: Callable[[str], str | None] = first_yes_or_no
    read_text: Callable[[str], str | None] = whole_text
    numbers: Metric | None = None
    overall: Overall | None = None
    decimals: int | None = None

    @property
    def family(self) -> str:
        """The name without the version."""
        return self.name.partition("@")[0]

    def metric(self, task: Task) -> Metric:
        """The score of an answer to a task: `numbers` where the rubric has the usual one."""
        return self.numbers if self.numbers and task.scored_by == MRA else task.scored_by

    def rubric(self, rubric: Rubric) -> Rubric:
        """The rubric with this protocol's headline, where the rubric has the usual one."""
        if self.overall is None or rubric.overall != PLAIN:
            return rubric
        return replace(rubric, overall=(self.overall,))

    def averaged_as(self, other: Protocol) -> Protocol:
        """This reading with the scores of numbers and the average of another protocol."""
        if other.name == self.name:
            return self
        return replace(
            self,
            name=f"[{self.name}, averaged as {other.name}]",  # of no family
            numbers=other.numbers,
            overall=other.overall,
            decimals=other.decimals,
        )

    def rounded(self, percent: float) -> float:
        """A score in [0, 100] as the harness prints it, which may round it."""
        return percent if self.decimals is None else 100 * round(percent / 100, self.decimals)


GENERAL = {
    "official": "vicabench.harnesses.official",
    "lmms-eval": "vicabench.harnesses.lmms_eval",
    "vlmevalkit": "vicabench.harnesses.vlmevalkit",
    "spatial-mllm": "vicabench.harnesses.spatial_mllm",
    "spacer": "vicabench.harnesses.spacer",
    "vst": "vicabench.harnesses.vst",
    "extracted": "vicabench.harnesses.extracted",
}
"""Protocols for questions of any benchmark; all but the last are those of harnesses."""

OF_BENCHMARKS = {
    "revsi": "vicabench.harnesses.revsi",
    "osi-bench": "vicabench.harnesses.osi_bench",
    "sti-bench": "vicabench.harnesses.sti_bench",
    "dsi-bench": "vicabench.harnesses.dsi_bench",
    "vsi-super": "vicabench.harnesses.vsi_super",
}
"""Protocols by which one benchmark's own code reads replies."""

RELEASES = {
    "lmms-eval": ("0.7.3", "0.7.2", "0.7.1", "0.7", "0.6", "0.3.4"),
    "vlmevalkit": ("VsiBench", "VSIBench"),
    "official": ("51e089c",),
    "spatial-mllm": ("9fc4738",),
    "spacer": ("b623af5",),
    "vst": ("842cd77",),
}
"""The versions that grade in different ways, newest first. The other protocols have none."""

SAME = {
    **dict.fromkeys((f"lmms-eval@{v}" for v in ("0.3.5", "0.4", "0.4.1", "0.5")), "0.3.4"),
    "lmms-eval@0.6.1": "0.6",
}
"""Further released versions, and the one in `RELEASES` by which they grade."""

PROTOCOLS = {
    name: module
    for family, module in (GENERAL | OF_BENCHMARKS).items()
    for name in (family, *(f"{family}@{version}" for version in RELEASES.get(family, ())))
}
"""All names of protocols, a bare name for the newest version, and the module of each."""


def full_name(name: str) -> str:
    """The name with its version: `lmms-eval@0.7.3` for `lmms-eval`.

    Raises:
        ConfigError: The name is unknown; the message lists the known ones.
    """
    family, at, version = name.partition("@")
    known = RELEASES.get(family, ())
    if not at and known:
        return f"{family}@{known[0]}"
    short = version.removesuffix(".0") if version.count(".") == 2 else version  # 0.5.0 is 0.5
    for spelled in (f"{family}@{version}", f"{family}@{short}") if at else (name,):
        if spelled in SAME:
            return f"{family}@{SAME[spelled]}"
        if spelled in PROTOCOLS:
            return spelled
    raise ConfigError(_unknown(name))


def _unknown(name: str) -> str:
    family = name.partition("@")[0]
    if "@" in name and family in GENERAL | OF_BENCHMARKS:
        versions = ", ".join(f"{family}@{version}" for version in RELEASES.get(family, ()))
        have = f"Versions that differ: {versions}." if versions else "It has no versions."
        return f"There is no version '{name}' of the grading protocol {family}. {have}"
    known = ", ".join(GENERAL | OF_BENCHMARKS)
    return (
        f"There is no grading protocol '{name}'. Known protocols: {known}."
        f"{did_you_mean(name, PROTOCOLS)}"
    )


def find_protocol(name: str) -> Protocol:
    """The protocol of this name, with or without a version.

    Raises:
        ConfigError: The name is unknown; the message lists the known ones.
    """
    full = full_name(name)
    module = importlib.import_module(PROTOCOLS[full])
    versions: Mapping[str, Protocol] = getattr(module, "VERSIONS", {})
    protocol: Protocol = versions[full.partition("@")[2]] if versions else module.PROTOCOL
    return protocol


def versions_of(family: str) -> list[Protocol]:
    """Every version of a protocol, newest first; the protocol alone if it has none."""
    return [find_protocol(f"{family}@{v}") for v in RELEASES.get(family, ())] or [
        find_protocol(family)
    ]


def protocol_for(rubric: Rubric, protocol: Protocol) -> Protocol:
    """The protocol to grade a benchmark by: for `official`, that of the benchmark's own code."""
    return find_protocol(rubric.official) if protocol.family == OFFICIAL else protocol


def find_protocols(names: str) -> list[Protocol]:
    """The protocols in a comma-separated list, without repetitions; raises as `find_protocol`."""
    found = [find_protocol(name.strip()) for name in names.split(",")]
    return list({protocol.name: protocol for protocol in found}.values())
