"""Plans of training runs: tables of parameters, steps, operations and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text
from vica.hub import MODEL_TYPES
from vica.training.checkpoints import shares
from vica.training.config import TrainingConfig
from vica.training.cost import free, gigabytes
from vica.training.dryrun import NUMBERS, ROOM, DryRun, Fit, dry_run

from vicabench.errors import counted
from vicabench.screen import as_text, console

Row = Sequence[str]
GPU_MEMORY = 80.0
"""GB of a GPU such as an H100, for which GPUs are counted unless another memory is given."""
UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training run would do and cost; `gpu_memory` is that of a GPU, in GB."""

    run: DryRun
    gpu_memory: float = GPU_MEMORY

    @property
    def config(self) -> str:
        """The resolved configuration in YAML."""
        return str(yaml.safe_dump(self.run.config.resolved(), sort_keys=False, width=100))

    @property
    def steps(self) -> int:
        """The number of training steps."""
        return self.run.steps

    @property
    def gpus(self) -> list[Fit]:
        """The smallest number of GPUs with `gpu_memory`, in each way to hold the training."""
        return self.run.fits(1e9 * self.gpu_memory)

    def show(self, screen: Console) -> None:
        """Print the tables and the notes below them."""
        for title, head, rows in _tables(self.run):
            screen.print(_table(title, head, rows))
            screen.print()
        if self.run.config.hardware.device != "cpu":
            screen.print(_table(*_gpus(self)))
            screen.print()
        for note in _notes(self.run):
            screen.print(Text(f"- {note}"))

    def table(self) -> str:
        """The text that `vicabench train --dry-run` prints."""
        return f"{self.config}\n{as_text(self.show)}"

    def __repr__(self) -> str:
        return (
            f"<Plan of {self.run.config.name}: {counted(self.run.steps, 'step')}, "
            f"{counted(self.run.trained, 'parameter')} trained, "
            f"{self.run.flops_per_step * self.run.steps:.3g} FLOP>"
        )


def plan(config: TrainingConfig, *, progress: bool, gpu_memory: float) -> Plan:
    """Plan a run; `progress` shows on standard error which files are read."""
    terminal = console(stderr=True)
    terminal.quiet = not progress
    with terminal.status("planning ...") as status:
        return Plan(
            run=dry_run(
                config,
                progress=lambda path, count: status.update(
                    f"reading {path.name}: {counted(count, 'record')}"
                ),
            ),
            gpu_memory=gpu_memory,
        )


def _table(title: str, head: Row, rows: Sequence[Row]) -> Table:
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", show_header=any(head)
    )
    table.title, table.title_style = title, "bold"
    for number, name in enumerate(head):
        right = 0 < number < len(head) - (head[-1] == "")
        table.add_column(name, justify="right" if right else "left", no_wrap=right)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _tables(plan: DryRun) -> Iterator[tuple[str, Row, list[Row]]]:
    name = MODEL_TYPES[plan.architecture.model_type]
    where = plan.config.base if plan.at_hand else f"{plan.config.shape}, by its shape"
    yield f"{name} ({where})", ("part", "parameters", "trained", "learning rate"), _model(plan)
    yield "Data and steps", ("", "", ""), _run(plan)
    scale, unit = _unit(sum(plan.flops_per_pack.values()))
    title = "Operations of a pack, forward and backward (estimated)"
    yield title, ("part", f"{unit}FLOP", "share"), _operations(plan, scale)
    scale, unit = _unit(sum(line.device + line.host for line in plan.held))
    title = "Memory that each device needs (estimated)"
    yield title, ("", f"{unit}B", f"CPU {unit}B", ""), _memory(plan, scale)


def _gpus(plan: Plan) -> tuple[str, Row, list[Row]]:
    """Rows about the number of GPUs; settings that the recipe has already are shown too."""
    title = f"Smallest number of GPUs with {plan.gpu_memory:g} GB, of which {ROOM:.0%} are planned"
    rows: list[Row] = [
        (
            " ".join(fit.settings) + (" (as above)" if fit.configured else ""),
            f"none up to {max(NUMBERS)}" if fit.devices is None else str(fit.devices),
            f"{fit.device / 1e9:,.2f}",
            f"{fit.host / 1e9:,.2f}",
        )
        for fit in plan.gpus
    ]
    return title, ("settings", "GPUs", "GB each", "CPU GB in all"), rows


def _unit(largest: float) -> tuple[float, str]:
    """The largest decimal unit in which the number is at least 1."""
    return next(((s, u) for s, u in UNITS if largest >= s), UNITS[-1])


def _model(plan: DryRun) -> list[Row]:
    rows = [
        (
            part.part.replace("_", " "),
            f"{part.parameters:,}",
            f"{part.trained:,}",
            "frozen" if part.rate is None else f"{part.rate:g}",
        )
        for part in plan.parts
    ]
    return [*rows, ("all", f"{plan.parameters:,}", f"{plan.trained:,}", "")]


def _run(plan: DryRun) -> list[Row]:
    config, data, batch = plan.config, plan.data, plan.config.batch
    shape, devices = data.shape, config.hardware.devices
    origin = f"bad records left out: {data.bad:,}" if data.digest else "as published"
    text = "" if data.text_counted else ", text left out"
    visuals = "unknown" if data.visuals is None else f"{data.visuals:,}"
    per_step = plan.packs_per_step * shape.conversations
    return [
        ("conversations", f"{data.conversations:,}", origin),
        ("videos and images", visuals, ""),
        ("packs an epoch", f"{data.packs:,}", f"{shape.conversations:.3g} conversations each"),
        ("tokens of a pack", f"{shape.positions:,.0f}", f"{shape.prefix:,.0f} shared{text}"),
        ("tokens an epoch", f"{shape.positions * data.packs:.3g}", ""),
        (
            "packs a step",
            f"{plan.packs_per_step:,}",
            f"{batch.packs_per_device} x {batch.accumulation} x {counted(devices, 'device')}; "
            f"about {per_step:.3g} conversations",
        ),
        ("epochs", f"{config.epochs:g}", ""),
        ("steps", f"{plan.steps:,}", ""),
        *_saved(plan),
        ("operations a step", f"{plan.flops_per_step:.3g}", "on all devices"),
        ("operations in all", f"{plan.flops_per_step * plan.steps:.3g}", ""),
    ]


def _saved(plan: DryRun) -> Iterator[Row]:
    """Rows about checkpoints (by name if fewer than requested), disk and shared memory."""
    saving, names, size, disk = plan.config.saving, plan.checkpoints, plan.sizes, plan.on_disk
    asked = shares(saving)
    how = f"one every {100 * saving.every:.3g}% of the data"
    if len(names) < asked:
        how += f" would be {asked}, of {counted(plan.steps, 'step')}: {', '.join(names.values())}"
    yield "checkpoints", f"{len(names):,}", how
    retained = "all" if saving.keep is None else f"the newest {saving.keep}"
    states = "the last" if saving.optimizer == "last" else "each"
    yield (
        "disk, at most",
        gigabytes(disk.most),
        f"{retained}, {gigabytes(size.checkpoint)} each, and {gigabytes(size.state)} to go on from "
        f"{states}, two for a moment; {gigabytes(disk.last)} in the end",
    )
    yield "shared memory", gigabytes(plan.shared), "in /dev/shm, at most, for reading ahead"


def _operations(plan: DryRun, scale: float) -> list[Row]:
    total = sum(plan.flops_per_pack.values())
    rows = [
        (part.replace("_", " "), f"{count / scale:,.2f}", f"{count / total:.1%}")
        for part, count in plan.flops_per_pack.items()
    ]
    return [*rows, ("all", f"{total / scale:,.2f}", "")]


def _memory(plan: DryRun, scale: float) -> list[Row]:
    rows = [
        (line.what, f"{line.device / scale:,.2f}", f"{line.host / scale:,.2f}", line.formula)
        for line in plan.held
    ]
    device, host = (sum(getattr(h, n) for h in plan.held) for n in ("device", "host"))
    return [*rows, ("all", f"{device / scale:,.2f}", f"{host / scale:,.2f}", "")]


def _notes(plan: DryRun) -> Iterator[str]:
    yield from plan.data.notes
    yield from (f"left out: {problem}" for problem in plan.data.problems)
    bad, good = plan.data.bad, plan.data.conversations
    if bad > plan.config.mixture.max_bad * (bad + good):
        yield "so many bad records are above mixture.max_bad: the run would not start"
    if (left := free(Path(plan.config.output))) < plan.on_disk.most:
        yield (
            f"the disk of {plan.config.output} has {gigabytes(left)} free: the run would stop when "
            "it is full"
        )
    if plan.data.digest:
        yield f"data {plan.data.digest}"
    yield f"configuration {plan.config.digest}"
    if any(part.part == "semantic_encoder" and part.trained for part in plan.parts):
        yield (
            "parameters are counted as in the papers: with SigLIP's last norm, which is never "
            "used, and so not trained here"
        )
    yield (
        "operations: 2 for each weight and position, 4 x width for each pair of positions that "
        "attend, encoders as torch counts them; x 3 if trained, x 2 if gradients pass, + 1 where "
        "activations are recomputed"
    )
    yield (
        "memory leaves out the GPU's context, buffers of kernels and of communication, "
        "fragmentation and Hiera's passing needs: plan for some tens of percent more"
    )
