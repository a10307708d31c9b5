"""Score a model while transformers' Trainer trains it: `trainer.add_callback(...)`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback as Base
from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import get_reporting_integration_callbacks

from vicabench.adapters.hf.memory import HF
from vicabench.errors import ConfigError
from vicabench.front.benchmark import Asked, benchmark
from vicabench.front.run import evaluate
from vicabench.front.score import Score, score
from vicabench.options import FRAMES

LOG = logging.getLogger(__name__)
PREFIX = "eval_"
"""The prefix that transformers' integrations show as `eval/`."""


class TrainerCallback(Base):
    """Evaluate on a benchmark every `every` steps and at the end; log scores under `eval/`.

    Scores go to the trainer's trackers (`report_to`) and into its `log_history`, and are kept by
    step in `scores`. Each evaluation writes a run folder, such as `OUTPUT_DIR/vicabench/step-500`.
    Process 0 evaluates while the others wait.

    Args:
        bench: What `vicabench.benchmark` takes; loaded once.
        every: Steps between evaluations.
        frames: How many frames are sampled from each video.
        processor: The model's processor; by default the trainer's `processing_class`.
        protocol: The grading protocol of the logged scores.
        at_end: Whether to evaluate once more after the last step.
        limit: Use only the first `limit` videos, with all their questions.
        tasks: Use only these tasks or question types.
        options: Options of `vicabench.evaluate`, such as `max_new_tokens`.

    Raises:
        ConfigError: For `every` below 1 or a benchmark that cannot be loaded; during training, for
            a missing processor, or a model that is sharded over the processes.
    """

    def __init__(
        self,
        bench: Asked,
        *,
        every: int,
        frames: int = FRAMES,
        processor: Any = None,
        protocol: str = "official",
        at_end: bool = True,
        limit: int | None = None,
        tasks: Sequence[str] = (),
        **options: Any,
    ) -> None:
        if every < 1:
            raise ConfigError(f"every={every}: give a number of steps, at least 1.")
        self._bench = benchmark(bench, limit=limit, tasks=tasks)
        self._every, self._at_end, self._protocol = every, at_end, protocol
        self._processor, self._options = processor, {"frames": frames, **options}
        self._trackers: list[Base] = []
        self.scores: dict[int, Score] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the trackers of `report_to`, which the trainer does not pass to callbacks."""
        self._trackers = [
            tracker_class() for tracker_class in get_reporting_integration_callbacks(args.report_to)
        ]
        for tracker in self._trackers:
            tracker.on_train_begin(args, state, control, **kwargs)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Evaluate after every `every` steps."""
        if state.global_step % self._every == 0:
            self._evaluate(args, state, control, kwargs)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Evaluate the trained model, unless the last step was already evaluated."""
        if self._at_end and state.global_step % self._every:
            self._evaluate(args, state, control, kwargs)
        for tracker in self._trackers:
            tracker.on_train_end(args, state, control, **kwargs)

    def _evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        kwargs: dict[str, Any],
    ) -> None:
        model = kwargs["model"]
        _refuse_sharded(model)
        if state.is_world_process_zero:
            processor = self._processor or kwargs.get("processing_class")
            if processor is None:
                raise ConfigError(
                    "The trainer has no processing_class: pass processor= to TrainerCallback."
                )
            folder = Path(args.output_dir or ".") / "vicabench" / f"step-{state.global_step}"
            run = evaluate(HF(model, processor), self._bench, out=folder, **self._options)
            self.scores[state.global_step] = result = score(run, self._protocol)
            self._log(args, state, control, result, model)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()

    def _log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        result: Score,
        model: Any,
    ) -> None:
        logs = {PREFIX + name: value for name, value in result.to_dict().items()}
        state.log_history.append({**logs, "epoch": state.epoch, "step": state.global_step})
        for tracker in self._trackers:
            tracker.on_log(args, state, control, logs=dict(logs), model=model)
        LOG.info("step %d: %r", state.global_step, result)


def _refuse_sharded(model: Any) -> None:
    """Raise ConfigError for a model that is sharded over the processes."""
    if any(hasattr(parameter, "ds_id") for parameter in model.parameters()):
        raise ConfigError("With ZeRO-3 no process has the whole model: evaluate its checkpoints.")
    if any(type(module).__name__ == "FullyShardedDataParallel" for module in model.modules()):
        raise ConfigError("With FSDP no process has the whole model: evaluate its checkpoints.")
