"""The training loop: Hugging Face's Trainer with our loss, optimizer, checkpoints and checks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback
from transformers.trainer import TRAINER_STATE_NAME

from vica.errors import TrainingError, counted
from vica.modeling import ViCA
from vica.training import checkpoints, cost, states
from vica.training.config import TrainingConfig
from vica.training.cost import counts, explained
from vica.training.dataset import PackDataset
from vica.training.flops import Cost
from vica.training.launching import from_first
from vica.training.logs import FAULTS, Meter, Watch, add_faults
from vica.training.optimizer import (
    MuonAdamW,
    check_buffers,
    eight_bit_adamw,
    keep_hiera_in_eval,
    parameter_groups,
)
from vica.training.packing import Plan

WEIGHTS = "trained.safetensors"
"""A state's file of trained weights in the precision of the optimizer."""
PREFIX = "model."
"""The prefix of the model's tensors in `PackLoss`."""


class PackTrainer(Trainer):
    """Trains a `PackLoss` on the packs of a plan."""

    def __init__(
        self, *, config: TrainingConfig, plan: Plan, identity: Mapping[str, str], **options: Any
    ) -> None:
        """Create a trainer; `identity` is saved for `check_same` in resumed runs."""
        self.run_config = config
        self.plan = plan
        self.identity = identity
        self.output = Path(config.output)
        self.names = checkpoints.milestones(config.name, plan.steps, config.saving)
        self.watch = Watch(config.limits, self.names)
        self.step_loss: list[Tensor] = []
        self.gradient_norm: float | Tensor | None = None
        super().__init__(**options)
        self.loss_is_scaled_for_ga = True  # the loss is already divided by the whole step's groups
        self.meter = Meter(Cost.of(self.vica), self.args.device)
        self.sizes = cost.sizes(
            counts(self.vica, config.learning_rates), config.hardware, config.optimizer.states
        )
        self.add_callback(_Steps(self))

    @property
    def packs(self) -> PackDataset:
        """The packs to train on."""
        return cast(PackDataset, self.train_dataset)

    @property
    def vica(self) -> ViCA:
        """The model itself."""
        loss = self.accelerator.unwrap_model(self.model)
        return loss.model  # type: ignore[no-any-return]

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        """Train in the order of the plan."""
        return SequentialSampler(self.packs if train_dataset is None else train_dataset)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:  # noqa: ARG002
        """Create the optimizer, with groups of parameters for each part."""
        if self.optimizer is None:
            settings = self.run_config.optimizer
            groups = parameter_groups(self.vica, self.run_config.learning_rates, settings)
            kind = self._adam()
            # The default AdamW temporarily copies all moments, the fused one does not. In fp16
            # the fused one would skip steps without the learning rate schedule knowing.
            on_gpu = kind is torch.optim.AdamW and self.args.device.type == "cuda"
            fused = on_gpu and self.run_config.hardware.precision != "fp16"
            options = {"fused": True} if fused else {}
            self.optimizer = kind(
                groups, betas=(settings.beta1, settings.beta2), eps=settings.epsilon, **options
            )
        return self.optimizer

    def _adam(self) -> Any:
        """The optimizer class; DeepSpeed's AdamW if a GPU run computes its steps on the CPU."""
        if self.run_config.optimizer.muon is not None:
            return MuonAdamW
        if self.run_config.optimizer.states == "8bit":
            return eight_bit_adamw()
        hardware = self.run_config.hardware
        if hardware.offload == "none" or self.args.device.type == "cpu":
            return torch.optim.AdamW
        from deepspeed.ops.adam import DeepSpeedCPUAdam  # noqa: PLC0415  (an extra)

        return DeepSpeedCPUAdam

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """This process's batches of a step, and the number of loss groups of the whole step."""
        start = time.perf_counter()
        with explained():
            batches = list(islice(epoch_iterator, num_batches))
        self.meter.counts["waited"] += time.perf_counter() - start
        own = torch.tensor(float(sum(b["groups"] for b in batches)), device=device)
        groups = self.accelerator.reduce(own, "sum")
        return batches, groups.clamp(min=1)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """This batch's share of the step's loss."""
        # Gradients are averaged over processes, so each loss is multiplied by their number.
        processes = self.accelerator.num_processes
        keep_hiera_in_eval(self.vica)
        out = model(inputs, num_items_in_batch / processes)
        self.meter.add(inputs, out["segments"])
        add_faults(self.output / FAULTS, inputs["faults"])
        self.step_loss.append(out["loss"].detach())
        return (out["loss"], out) if return_outputs else out["loss"]

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The gradient's norm over all parameters and processes, stored for `check_step`."""
        self.gradient_norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[no-untyped-call]
        return self.gradient_norm

    def check_step(self) -> None:
        """Raise TrainingError in all processes if the step that was just computed has failed."""
        own = torch.stack(self.step_loss).sum().float()
        self.step_loss.clear()
        step = self.state.global_step + 1
        self.watch.check(float(self.accelerator.reduce(own, "mean")), step)
        # In fp16 such a step is skipped, and the loss is scaled less from then on.
        if self.gradient_norm is not None and self.run_config.hardware.precision != "fp16":
            self.watch.check_gradient(float(self.gradient_norm), step)

    def look_at_disk(self, done: int) -> None:
        """Warn at the start, after step `done`, if the disk lacks room for all checkpoints."""
        saves = sum(step > done for step in self.names)
        most = cost.load(self.sizes, saves, self.run_config.saving).most
        left = cost.free(self.output)
        if left < most + cost.SMALL:
            logging.getLogger(__name__).warning(
                "The %d remaining checkpoints take up to %s, but the disk of %s has %s free: the "
                "run will stop when it is full. saving.keep and saving.every reduce their number.",
                *(saves, cost.gigabytes(most), self.output, cost.gigabytes(left)),
            )

    def check_finished(self) -> None:
        """Raise TrainingError unless every pack of the plan was trained on."""
        if self.state.global_step != self.plan.steps:
            raise TrainingError(
                f"training ended after {self.state.global_step} of "
                f"{counted(self.plan.steps, 'step')}"
            )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the rates; stop if more visuals are unreadable than the mixture allows."""
        if "loss" in logs:
            own = torch.tensor(list(self.meter.counts.values()), device=self.args.device)
            totals = self.accelerator.reduce(own.float(), "sum")
            logs |= self.meter.read(totals, self.accelerator.num_processes)
            self._check_lost()
        super().log(logs, start_time)

    def _check_lost(self) -> None:
        allowed = self.run_config.mixture.max_bad * self.plan.conversations
        if self.meter.lost > allowed:
            raise TrainingError(
                f"left out {counted(self.meter.lost, 'conversation')} whose videos or images "
                f"cannot be read, more than the share of {self.run_config.mixture.max_bad:.2%} "
                f"that mixture.max_bad allows; they are listed in {self.output / FAULTS}"
            )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ARG002
        """Write the checkpoint of this step, and the state that resuming from it needs."""
        step, steps = self.state.global_step, self.plan.steps
        target = self.output / self.names[step]
        wanted = self.sizes.both if step < steps else self.sizes.checkpoint
        from_first(lambda: cost.check_room(target, wanted))
        record = self._record()
        if step < steps:
            self._write_state(self.output / checkpoints.STATES / target.name, record)
        gathered = self._gathered()
        from_first(lambda: self._write_checkpoint(target, gathered, record))

    def _write_checkpoint(
        self, target: Path, gathered: Mapping[str, Tensor] | None, record: Mapping[str, Any]
    ) -> None:
        config = self.run_config
        tensors = gathered or self.accelerator.unwrap_model(self.model).state_dict()
        with checkpoints.whole(target) as folder:
            checkpoints.write_checkpoint(
                folder,
                self.vica,
                self.packs.processor,
                {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()},
                precision=config.hardware.precision,
                record=record,
            )
        step = record["step"]
        checkpoints.drop_later(self.output, config.name, step)
        if not self.watch.high:  # after a high loss, earlier checkpoints may be needed
            finished = step == record["steps"]
            checkpoints.drop_old(
                self.output, config.name, config.saving, step=step, finished=finished
            )

    def _record(self) -> dict[str, Any]:
        step = self.state.global_step
        done = self.plan.packs[: step * self.plan.packs_per_step]
        return {
            "name": self.run_config.name,
            "step": step,
            "steps": self.plan.steps,
            "conversations": sum(map(len, done)),
            "unreadable": self.meter.lost,
            "recipe": self.run_config.resolved(),
            "recipe_digest": self.run_config.digest,
            **self.identity,
        }

    def _gathered(self) -> dict[str, Tensor] | None:
        """With ZeRO-3, which splits tensors, all whole tensors in the first process; else None.

        All processes must take part, though only the first needs the result.
        """
        if self.run_config.hardware.zero < 3:
            return None
        return self.accelerator.get_state_dict(self.deepspeed) or {}

    def _write_state(self, target: Path, record: dict[str, Any]) -> None:
        """Write optimizer, schedule, random numbers and unrounded weights of all processes."""
        folder = from_first(lambda: checkpoints.partial(target))
        with checkpoints.explained(target, folder):
            self._save_optimizer_and_scheduler(str(folder))
            self._save_scaler(str(folder))
            self._save_rng_state(str(folder))
        self.accelerator.wait_for_everyone()
        from_first(lambda: self._finish_state(folder, target, record))

    def _finish_state(self, folder: Path, target: Path, record: Mapping[str, Any]) -> None:
        """Write what one process writes for all, and complete the state."""
        with checkpoints.explained(target, folder):
            if not self.is_deepspeed_enabled:
                trained = {n: p for n, p in self.vica.named_parameters() if p.requires_grad}
                save_file(
                    {n: p.detach().contiguous() for n, p in trained.items()}, folder / WEIGHTS
                )
            self.state.save_to_json(str(folder / TRAINER_STATE_NAME))
            checkpoints.write_record(folder, {**record, states.FILES: states.sealed(folder)})
            checkpoints.publish(folder, target)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ARG002
        """Load the unrounded weights of a state; frozen weights come from the base."""
        with states.loading(resume_from_checkpoint):
            tensors = load_file(Path(resume_from_checkpoint) / WEIGHTS)
            loaded = self.vica.load_state_dict(tensors, strict=False)
        if loaded.unexpected_keys:
            raise TrainingError(
                f"{resume_from_checkpoint}: holds weights that the model does not have"
            )

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Load the optimizer and the schedule of a state."""
        with states.loading(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Load the random number generators of a state."""
        with states.loading(checkpoint):
            super()._load_rng_state(checkpoint)

    def _load_scaler(self, checkpoint: str | None) -> None:
        """Load the loss scale of a state in fp16."""
        with states.loading(checkpoint):
            super()._load_scaler(checkpoint)


class _Steps(TrainerCallback):
    """Checks every step, and decides after which steps a checkpoint is saved."""

    def __init__(self, trainer: PackTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Check the model after all wrappers have been applied."""
        check_buffers(self.trainer.vica)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Check before the weights change, or with DeepSpeed, after that but before saving."""
        self.trainer.check_step()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Save after the steps in `names`, and count epochs as the plan does.

        Saving logs first, which sums up the unreadable visuals for the checkpoint's record.
        """
        state.epoch *= self.trainer.run_config.epochs  # for the Trainer the plan is one epoch
        control.should_save = state.global_step in self.trainer.names
        control.should_log = control.should_log or control.should_save
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Do not save again: the last step has been saved like every other."""
        control.should_save = False
        return control
