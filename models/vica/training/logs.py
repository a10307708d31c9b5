"""What a run reports: a JSON line per logged step, TensorBoard, a progress bar, its failure."""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from vica.errors import TrainingError, counted
from vica.training import plain
from vica.training.config import Limits, Logging
from vica.training.flops import Cost, peak, seen

LOG = "log.jsonl"
BOARD = "tensorboard"
FAULTS = "unreadable.txt"
"""Videos and images that could not be read, each listed once."""
ENOUGH = 10
"""How many steps the median needs to be meaningful."""


class Meter:
    """Counts work since it was last read."""

    NAMES = ("conversations", "lost", "positions", "flops", "waited")

    def __init__(self, cost: Cost, device: torch.device) -> None:
        self.cost = cost
        self.peak = peak(device)
        self.lost = 0
        self._clear()

    def _clear(self) -> None:
        self.counts = dict.fromkeys(self.NAMES, 0.0)
        self.since = time.perf_counter()

    def add(self, batch: Mapping[str, Any], segments_BL: torch.Tensor) -> None:
        """Count one batch of this process."""
        positions, pairs = seen(segments_BL)
        frames = len(batch["pixel_values"]) if "pixel_values" in batch else 0
        self.counts["conversations"] += batch["conversations"]
        self.counts["lost"] += batch["lost"]
        self.counts["positions"] += positions
        self.counts["flops"] += self.cost.step(
            positions=positions, pairs=pairs, rows=len(batch["sources"]), frames=frames
        )

    def read(self, totals: torch.Tensor, processes: int) -> dict[str, float]:
        """Rates since the last reading, from `counts` summed over all processes."""
        sums = dict(zip(self.NAMES, totals.tolist(), strict=True))
        seconds = time.perf_counter() - self.since
        self._clear()
        self.lost += int(sums["lost"])
        rates = {
            "conversations_per_second": sums["conversations"] / seconds,
            "tokens_per_second": sums["positions"] / seconds,
            "waiting_for_data": sums["waited"] / (seconds * processes),
            "unreadable": self.lost,
        }
        if self.peak:
            rates["mfu"] = sums["flops"] / (seconds * processes * self.peak)
        return rates


class Watch:
    """Stops a run whose loss is not finite, or far above its median for several steps.

    `names` are the checkpoints by step; `high` counts consecutive steps with a high loss.
    """

    def __init__(self, limits: Limits, names: Mapping[int, str]) -> None:
        self.limits = limits
        self.names = names
        self.recent: deque[float] = deque(maxlen=limits.window)
        self.high = 0

    def check(self, loss: float, step: int) -> None:
        """Raise TrainingError if this step's loss shows that the run has failed."""
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss of step {step} is not finite ({loss}). {self._advice(step)}"
            )
        normal = statistics.median(self.recent) if len(self.recent) >= ENOUGH else None
        if normal is not None and loss > self.limits.explosion * normal:
            self.high += 1
            if self.high >= self.limits.patience:
                raise TrainingError(
                    f"the loss is {loss:.3g} at step {step} and was above "
                    f"{self.limits.explosion:g} times its median of {normal:.3g} for "
                    f"{counted(self.high, 'step')}. {self._advice(step + 1)}"
                )
            return
        self.high = 0
        self.recent.append(loss)

    def check_gradient(self, norm: float, step: int) -> None:
        """Raise TrainingError for a gradient that would make weights NaN before they are saved.

        DeepSpeed states -1 for the norm of such a gradient.
        """
        if not math.isfinite(norm) or norm < 0:
            raise TrainingError(
                f"the gradient of step {step} is not finite (its norm is {norm}). "
                f"{self._advice(step)}"
            )

    def _advice(self, step: int) -> str:
        """Advise the last checkpoint from before the loss rose.

        Resuming computes the same steps again, so it only helps if the machine was at fault.
        """
        good = [name for at, name in self.names.items() if at < step - self.high]
        if not good:
            return "Start again; a lower learning rate or a longer warm-up may help"
        return (
            f"--resume {good[-1]} continues from before that, but fails again unless the machine "
            "was at fault. A lower learning rate or a longer warm-up needs a new run: --set "
            f"base=OUTPUT/{good[-1]} and another --out"
        )


class Record(TrainerCallback):
    """Writes logged values to `log.jsonl` and TensorBoard, in the process that saves."""

    def __init__(self, output: Path, settings: Logging) -> None:
        self.output = output
        self.settings = settings
        self.board: Any = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Open the files, and remove the lines of steps that will be trained again."""
        if not args.should_save:
            return
        _keep_until(self.output / LOG, state.global_step)
        if self.settings.tensorboard:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  (an extra)

            self.board = SummaryWriter(self.output / BOARD, purge_step=state.global_step + 1)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Append a line of JSON."""
        if not args.should_save or not logs or "loss" not in logs:
            return
        with plain.opened(self.output / LOG, "a") as file:
            file.write(json.dumps({"step": state.global_step, **logs}) + "\n")
        if self.board:
            for name, value in logs.items():
                self.board.add_scalar(name, value, state.global_step)

    def on_train_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Close TensorBoard's file."""
        if self.board:
            self.board.close()


class Progress(TrainerCallback):
    """A progress bar on the terminal with the loss and the rate."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Show the bar in one process, from the step where training starts."""
        if state.is_world_process_zero:
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step")

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Advance the bar."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Show the loss and conversations per second."""
        if self.bar is not None and logs and "loss" in logs:
            speed = logs.get("conversations_per_second", 0.0)
            self.bar.set_postfix_str(f"loss {logs['loss']:.3f}, {speed:.1f} conversations/s")

    def on_train_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Close the bar, leaving its last line."""
        if self.bar is not None:
            self.bar.close()


def add_faults(path: Path, faults: Sequence[str]) -> None:
    """Append the faults that the file does not list yet."""
    if faults:
        known = _text(path).split("\n")
        with plain.opened(path, "a") as file:
            file.writelines(f"{fault}\n" for fault in dict.fromkeys(faults) if fault not in known)


def _keep_until(path: Path, step: int) -> None:
    """Remove the lines of later steps, and malformed lines, as a kill may leave."""
    if not os.path.lexists(path):
        return
    lines = []
    for line in _text(path).splitlines():
        try:
            good = json.loads(line)["step"] <= step
        except (ValueError, LookupError, TypeError, RecursionError):
            good = False
        if good:
            lines.append(line + "\n")
    plain.write(path, "".join(lines))


def _text(path: Path) -> str:
    try:
        with plain.opened(path, "r") as file:
            return file.read()
    except FileNotFoundError:
        return ""
