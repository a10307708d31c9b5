"""Hugging Face's Trainer, with our loss, our parameter groups, our checkpoints and our watch."""

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
from vica.training.logs import FAULTS, Meter, Watch, note
from vica.training.optimizer import MuonAdamW, check_buffers, parameter_groups, rest
from vica.training.packing import Plan

WEIGHTS = "trained.safetensors"
"""The trained weights in the precision of the optimizer, in a state."""
PREFIX = "model."
"""How `PackLoss` names what is the model's."""


class PackTrainer(Trainer):
    """Trains a `PackLoss` on the packs of a plan."""

    def __init__(
        self, *, config: TrainingConfig, plan: Plan, found: Mapping[str, str], **options: Any
    ) -> None:
        """`found` is what the run is about, for those that go on with it (`check_same`)."""
        self.run_config = config
        self.plan = plan
        self.found = found
        self.output = Path(config.output)
        self.names = checkpoints.milestones(config.name, plan.steps, config.saving)
        self.watch = Watch(config.limits, self.names)
        self.step_loss: list[Tensor] = []
        self.gradient_norm: float | Tensor | None = None
        super().__init__(**options)
        self.loss_is_scaled_for_ga = True  # a step's groups are counted over all its batches
        self.meter = Meter(Cost.of(self.vica), self.args.device)
        self.sizes = cost.sizes(counts(self.vica, config.learning_rates), config.hardware)
        self.add_callback(_Steps(self))

    @property
    def packs(self) -> PackDataset:
        """What is trained on."""
        return cast(PackDataset, self.train_dataset)

    @property
    def vica(self) -> ViCA:
        """The model itself."""
        loss = self.accelerator.unwrap_model(self.model)
        return loss.model  # type: ignore[no-any-return]

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        """The plan is the order."""
        return SequentialSampler(self.packs if train_dataset is None else train_dataset)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:  # noqa: ARG002
        """AdamW with a group of parameters for each part."""
        if self.optimizer is None:
            settings = self.run_config.optimizer
            groups = parameter_groups(self.vica, self.run_config.learning_rates, settings)
            kind = self._adam()
            # Fused it needs no copy of all moments for a moment, as it does by default; in fp16
            # it would leave out steps by itself, unknown to the schedule of learning rates.
            on_gpu = kind is torch.optim.AdamW and self.args.device.type == "cuda"
            fused = on_gpu and self.run_config.hardware.precision != "fp16"
            options = {"fused": True} if fused else {}
            self.optimizer = kind(
                groups, betas=(settings.beta1, settings.beta2), eps=settings.epsilon, **options
            )
        return self.optimizer

    def _adam(self) -> Any:
        """DeepSpeed's own where it computes the steps of a GPU run on the CPU."""
        if self.run_config.optimizer.muon is not None:
            return MuonAdamW
        hardware = self.run_config.hardware
        if hardware.offload == "none" or self.args.device.type == "cpu":
            return torch.optim.AdamW
        from deepspeed.ops.adam import DeepSpeedCPUAdam  # noqa: PLC0415  (an extra)

        return DeepSpeedCPUAdam

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """A step's batches of this process, and the number of loss groups of the whole step."""
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
        """This batch's share of the step's loss; gradients are averaged over the processes."""
        processes = self.accelerator.num_processes
        rest(self.vica)
        out = model(inputs, num_items_in_batch / processes)
        self.meter.add(inputs, out["segments"])
        note(self.output / FAULTS, inputs["faults"])
        self.step_loss.append(out["loss"].detach())
        return (out["loss"], out) if return_outputs else out["loss"]

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Over all parameters and processes, kept for `check_step`."""
        self.gradient_norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[no-untyped-call]
        return self.gradient_norm

    def check_step(self) -> None:
        """Raise TrainingError, in all processes, if the step that was just computed has failed."""
        own = torch.stack(self.step_loss).sum().float()
        self.step_loss.clear()
        step = self.state.global_step + 1
        self.watch.check(float(self.accelerator.reduce(own, "mean")), step)
        # In fp16 such a step is left out, and the loss is scaled less from then on.
        if self.gradient_norm is not None and self.run_config.hardware.precision != "fp16":
            self.watch.check_gradient(float(self.gradient_norm), step)

    def look_at_disk(self, done: int) -> None:
        """Say at the start, after step `done`, when the disk has no room for all checkpoints."""
        saves = sum(step > done for step in self.names)
        most = cost.load(self.sizes, saves, self.run_config.saving).most
        left = cost.free(self.output)
        if left < most + cost.SMALL:
            logging.getLogger(__name__).warning(
                "The %d checkpoints to come take up to %s, and the disk of %s has %s free: the run "
                "will stop when it is full. saving.keep and saving.every make them fewer.",
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
        """Add the rates; stop when more could not be read than the mixture allows."""
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
                "cannot be "
                f"read, more than the share of {self.run_config.mixture.max_bad:.2%} that "
                f"mixture.max_bad allows; they are listed in {self.output / FAULTS}"
            )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ARG002
        """Write the checkpoint that belongs after this step, and what going on from it needs."""
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
        if not self.watch.high:  # else this may be none to go on from
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
            **self.found,
        }

    def _gathered(self) -> dict[str, Tensor] | None:
        """With ZeRO-3, which divides them, all tensors in the first process; else None.

        All processes have to take part in it, and only the first has use for a copy.
        """
        if self.run_config.hardware.zero < 3:
            return None
        return self.accelerator.get_state_dict(self.deepspeed) or {}

    def _write_state(self, target: Path, record: dict[str, Any]) -> None:
        """Optimizer, schedule, random numbers and unrounded weights, of all processes."""
        folder = from_first(lambda: checkpoints.partial(target))
        with checkpoints.explained(target, folder):
            self._save_optimizer_and_scheduler(str(folder))
            self._save_scaler(str(folder))
            self._save_rng_state(str(folder))
        self.accelerator.wait_for_everyone()
        from_first(lambda: self._finish_state(folder, target, record))

    def _finish_state(self, folder: Path, target: Path, record: Mapping[str, Any]) -> None:
        """What one process writes for all, after which the state is whole."""
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
        """The unrounded weights of a state; what is frozen is as it was at the start."""
        with states.loading(resume_from_checkpoint):
            tensors = load_file(Path(resume_from_checkpoint) / WEIGHTS)
            found = self.vica.load_state_dict(tensors, strict=False)
        if found.unexpected_keys:
            raise TrainingError(f"{resume_from_checkpoint}: holds other weights than the model")

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """The moments and the schedule of a state."""
        with states.loading(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """The random numbers of a state."""
        with states.loading(checkpoint):
            super()._load_rng_state(checkpoint)

    def _load_scaler(self, checkpoint: str | None) -> None:
        """How the loss of a state's run in fp16 is scaled."""
        with states.loading(checkpoint):
            super()._load_scaler(checkpoint)


class _Steps(TrainerCallback):
    """Checks every step, and says after which a checkpoint is due."""

    def __init__(self, trainer: PackTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Look at the model once all that divides or wraps it has."""
        check_buffers(self.trainer.vica)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Before the weights change; with DeepSpeed, after, and before anything is saved."""
        self.trainer.check_step()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Save after the steps of the plan's shares, and count epochs as the plan does.

        Before saving it logs, which adds up what could not be read: a checkpoint records it.
        """
        state.epoch *= self.trainer.run_config.epochs  # the Trainer takes the plan for one
        control.should_save = state.global_step in self.trainer.names
        control.should_log = control.should_log or control.should_save
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """The last step was saved as every other."""
        control.should_save = False
        return control
