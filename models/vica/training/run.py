"""Running a training: `train(config)` turns a configuration into a folder of checkpoints."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from tqdm import tqdm
from transformers import TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.utils.logging import disable_progress_bar

from vica.checkpoint import configured
from vica.errors import TrainingError, counted
from vica.hub import family, fetch
from vica.loading import load_processor
from vica.memory import is_memory_error
from vica.modeling import MODELS, ViCA
from vica.processing import ViCAProcessor
from vica.training import plain
from vica.training.checkpoints import Start, check_same, content_of, pinned, start_of
from vica.training.config import Hardware, TrainingConfig
from vica.training.cost import AHEAD, check_shared_memory, pixels
from vica.training.data_estimate import largest
from vica.training.dataset import Bounds, PackDataset, collate
from vica.training.index import Conversations, conversations
from vica.training.launching import ERROR_FILE, from_first, launch, needs_processes
from vica.training.logs import Progress, Record
from vica.training.loss import SDPA, PackLoss, attention_of
from vica.training.optimizer import (
    check_version,
    deepspeed_config,
    freeze,
    init_distributed,
    main_rate,
)
from vica.training.packing import Plan, make_plan
from vica.training.states import check_whole, no_code, unpickling_data
from vica.training.trainer import PackTrainer

LOCK = ".lock"


@contextmanager
def output_lock(output: Path) -> Iterator[None]:
    """Hold the lock of an output, so that only one run of this machine writes to it.

    Among the processes of a run, the launcher holds it, or without one, the first process. A new
    folder that stays empty is removed.

    Raises:
        TrainingError: Another process holds the lock, or the output cannot be written.
    """
    if ERROR_FILE in os.environ or int(os.environ.get("RANK", "0")):
        yield
        return
    lock, new = FileLock(output / LOCK), not output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainingError(
            f"another process is training into {output}: wait for it to finish, or choose another "
            "output"
        ) from None
    except OSError as error:
        raise TrainingError(f"{output} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
        if new:
            with suppress(OSError):  # fails if something was written, which stays
                output.rmdir()


PATIENCE = 2
"""Seconds after which a progress bar appears."""
BAD = "left-out.txt"
"""The file that lists the records left out when the data was opened, with the reasons."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run that is ready to start.

    `config` states the commits of its hub ids. `identity` is what the run computes, for
    `check_same`. `start` is the checkpoint to resume from, if any.
    """

    config: TrainingConfig
    data: Conversations
    plan: Plan
    identity: dict[str, str]
    start: Start | None


def prepare(config: TrainingConfig, resume: str | None, device: torch.device) -> Prepared:
    """Load and check everything that a run needs; raises a VicaError if it cannot start."""
    start = start_of(config, resume)
    config = pinned(config, start.record["recipe"] if start else None)
    folder = fetch(config.base, revision=config.base_revision)
    if configured(folder)[0].square_frames:
        raise TrainingError(f"{config.base}: Cambrian-S is read but cannot be trained")
    data = open_data(config)
    list_bad(data, Path(config.output))
    plan = plan_of(config, data, load_processor(folder))
    identity = {
        "base": content_of(folder),
        "device": device.type,
        "attention": attention_of(config.hardware, config.batch, device),
        "data": data.digest,
        "plan": plan.digest,
    }
    if start:
        check_same(config, identity, start.record)
        check_whole(start)
    architecture = configured(folder)[0]
    check_shared_memory(config, pixels(architecture, largest(architecture, data, config.frames)))
    return Prepared(config=config, data=data, plan=plan, identity=identity, start=start)


def open_data(config: TrainingConfig) -> Conversations:
    """Open the data of a run, with a progress bar if it takes long."""
    read = dict[Path, int]()

    def update(path: Path, count: int) -> None:
        bar.set_postfix_str(path.name, refresh=False)
        bar.update(count - read.get(path, 0))
        read[path] = count

    with tqdm(desc="reading the data", unit=" records", delay=PATIENCE, leave=False) as bar:
        return conversations(config.mixture, progress=update)


def list_bad(data: Conversations, output: Path) -> None:
    """List every record that is left out in a file of the output, and log their number."""
    if bad := len(data.problems):
        output.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{problem}\n" for problem in data.problems)
        plain.write(output / BAD, lines)
        logging.getLogger(__name__).warning(
            "%d of %d records cannot be trained on and are left out: see %s",
            *(bad, bad + len(data), output / BAD),
        )


def plan_of(config: TrainingConfig, data: Conversations, processor: ViCAProcessor) -> Plan:
    """Plan the packs of a run and their order; raises BudgetError if nothing would fit."""
    bounds = Bounds(processor, frames=config.frames, timed=config.time_instruction)
    bounds.check()
    total = len(data) * math.ceil(config.epochs)
    with tqdm(
        desc="planning packs", unit=" conversations", total=total, delay=PATIENCE, leave=False
    ) as bar:
        return make_plan(data, config, shared=bounds.shared, own=bounds.own, progress=bar.update)


SMALLER = (
    "With hardware.gradient_checkpointing=true the run can be resumed; a new run can use a smaller "
    "batch.pack, batch.max_tokens or batch.packs_per_device, or hardware.zero=3"
)


def train(config: TrainingConfig, *, resume: str | None = None) -> Path:
    """Train, and return the folder of the last checkpoint.

    With several devices or DeepSpeed, this starts the processes, unless it runs in one of them.

    Args:
        config: The configuration of the run.
        resume: The checkpoint of the run to resume from, `last` or its name; None for a new run.

    Raises:
        VicaError: A user can fix it: missing data, an output in use, settings that differ from
            those of the checkpoint, a loss that is NaN.
    """
    _check_extras(config)
    with output_lock(Path(config.output)), _reporting(config):
        return _train(config, resume)


def _train(config: TrainingConfig, resume: str | None) -> Path:
    if needs_processes(config):
        _check_devices(config.hardware)
        start = start_of(config, resume)
        # Downloads happen, or fail, once, before there are many processes.
        launch(pinned(config, start.record["recipe"] if start else None), resume)
        return Path(config.output) / config.name
    set_seed(config.seed)
    disable_progress_bar()  # for reading and writing weights: it would disturb ours
    arguments = _arguments(config)
    if arguments.world_size != config.hardware.devices:
        raise TrainingError(
            f"hardware.devices={config.hardware.devices} needs as many processes, but "
            f"{arguments.world_size} started"
        )
    init_distributed(config.hardware)
    ready = from_first(lambda: prepare(config, resume, arguments.device))
    start = ready.start
    with _memory("the model", "Use hardware.zero=3 on more devices, or hardware.offload"):
        trainer = _trainer(ready, arguments, _model(ready))
    trainer.meter.lost = start.record["unreadable"] if start else 0
    from_first(lambda: trainer.look_at_disk(start.record["step"] if start else 0))
    state = str(start.state) if start else None
    with _memory("a step", SMALLER), unpickling_data(), no_code(state):
        trainer.train(resume_from_checkpoint=state)
    trainer.check_finished()
    return Path(config.output) / config.name


@contextmanager
def _memory(what: str, advice: str) -> Iterator[None]:
    """Turn a memory error into a TrainingError with advice."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_memory_error(error):
            raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"there is too little memory for {what} ({first}). {advice}") from error


@contextmanager
def _reporting(config: TrainingConfig) -> Iterator[None]:
    """Let W&B write into the output, unless its environment variable names another folder."""
    name = "WANDB_DIR"
    ours = config.logging.wandb and name not in os.environ
    if ours:
        os.environ[name] = config.output
    try:
        yield
    finally:
        if ours:
            del os.environ[name]


def _check_extras(config: TrainingConfig) -> None:
    wanted = {
        "deepspeed": (config.hardware.zero > 0, "hardware.zero=0 and hardware.offload=none"),
        "bitsandbytes": (config.optimizer.states == "8bit", "optimizer.states=fp32"),
        "tensorboard": (config.logging.tensorboard, "logging.tensorboard=false"),
        "wandb": (config.logging.wandb, "logging.wandb=false"),
    }
    missing = {
        name: without
        for name, (needed, without) in wanted.items()
        if needed and not find_spec(name)
    }
    if missing:
        own = {"wandb": "wandb", "bitsandbytes": "'vicabench[train-8bit]'"}
        extras = [own.get(name, "'vicabench[train]'") for name in missing]
        raise TrainingError(
            f"this run needs {' and '.join(missing)}: pip install {' '.join(dict.fromkeys(extras))}"
            f", or set {' and '.join(missing.values())}"
        )
    if config.hardware.zero:
        check_version()


def _check_devices(hardware: Hardware) -> None:
    available = torch.cuda.device_count()
    if not _on_cpu(hardware) and hardware.devices > available:
        raise TrainingError(
            f"hardware.devices={hardware.devices}, but torch finds {counted(available, 'GPU')}: "
            "choose as many with --devices"
        )


def _arguments(config: TrainingConfig) -> TrainingArguments:
    """The Trainer's settings. Saving, logging and the order of the data are done here instead."""
    try:
        arguments = _training_arguments(config)
    except ValueError as error:  # such as for a GPU without bf16 or tf32
        raise TrainingError(f"hardware.* is not supported on this machine: {error}") from error
    # Otherwise one process would split each batch over all GPUs that it sees (DataParallel).
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


def _training_arguments(config: TrainingConfig) -> TrainingArguments:
    hardware, optimizer, on_cpu = config.hardware, config.optimizer, _on_cpu(config.hardware)
    return TrainingArguments(
        output_dir=config.output,
        num_train_epochs=1,  # the plan holds all epochs
        per_device_train_batch_size=config.batch.packs_per_device,
        gradient_accumulation_steps=config.batch.accumulation,
        learning_rate=main_rate(config.learning_rates),
        lr_scheduler_type=optimizer.schedule,
        warmup_steps=optimizer.warmup,
        max_grad_norm=optimizer.max_gradient_norm,
        weight_decay=optimizer.weight_decay,
        bf16=hardware.precision == "bf16",
        fp16=hardware.precision == "fp16",
        tf32=hardware.tf32 if not on_cpu else None,
        use_cpu=on_cpu,
        deepspeed=deepspeed_config(hardware, pinned=not on_cpu),
        ddp_find_unused_parameters=False,
        logging_steps=config.logging.steps,
        logging_nan_inf_filter=False,
        report_to=["wandb"] if config.logging.wandb else [],
        run_name=config.name,
        save_strategy="no",
        seed=config.seed,
        dataloader_num_workers=hardware.workers,
        dataloader_persistent_workers=hardware.workers > 0,
        dataloader_prefetch_factor=AHEAD if hardware.workers else None,
        dataloader_pin_memory=not on_cpu,
        remove_unused_columns=False,
        label_names=[],
        restore_callback_states_from_checkpoint=False,
    )


def _on_cpu(hardware: Hardware) -> bool:
    if hardware.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("hardware.device=cuda, but torch finds no GPU on this machine")
    return hardware.device == "cpu" or not torch.cuda.is_available()


def _model(ready: Prepared) -> ViCA:
    """The base model with its frozen parts frozen; a resumed run then loads its trained weights.

    Without DeepSpeed, which keeps its own float32 copy, the weights are float32, because a step
    of 1e-5 would be lost in bfloat16.
    """
    config, hardware = ready.config, ready.config.hardware
    folder = fetch(config.base, revision=config.base_revision)
    half = hardware.precision == "bf16" and hardware.zero > 0
    model = MODELS[family(folder)].from_pretrained(
        folder,
        dtype=torch.bfloat16 if half else torch.float32,
        attn_implementation=SDPA,
    )
    model.set_attn_implementation({"": ready.identity["attention"]})
    freeze(model, config.learning_rates)
    if hardware.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    return model


def _trainer(ready: Prepared, arguments: TrainingArguments, model: ViCA) -> PackTrainer:
    config = ready.config
    dataset = PackDataset(
        ready.data,
        ready.plan.packs,
        load_processor(config.base, revision=config.base_revision),
        frames=config.frames,
        timed=config.time_instruction,
    )
    trainer = PackTrainer(
        config=config,
        plan=ready.plan,
        identity=ready.identity,
        model=PackLoss(model, in_step=config.hardware.zero == 3),
        args=arguments,
        train_dataset=dataset,
        data_collator=partial(
            collate, loss_group=config.batch.loss_group, pad=model.config.pad_token_id or 0
        ),
        callbacks=[Record(Path(config.output), config.logging), Progress()],
    )
    for unwanted in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(unwanted)
    return trainer
