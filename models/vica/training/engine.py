"""`train(config)`: from a configuration to a folder of checkpoints."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from vica.errors import TrainingError
from vica.hub import family, fetch
from vica.loading import load_processor
from vica.modeling import MODELS, ViCA
from vica.processing import ViCAProcessor
from vica.training.batches import collate
from vica.training.config import Batch, Hardware, TrainingConfig
from vica.training.dataset import Bounds, PackDataset
from vica.training.groups import freeze, main_rate
from vica.training.index import Conversations
from vica.training.launching import launch, needs_processes
from vica.training.logs import Progress, Record
from vica.training.loss import FLEX, PackLoss
from vica.training.mixture import conversations
from vica.training.packing import Plan, make_plan
from vica.training.resume import check_same, start_of
from vica.training.trainer import PackTrainer
from vica.training.zero import deepspeed_config, join

FLASH, SDPA = "flash_attention_2", "sdpa"


def train(config: TrainingConfig, *, resume: str | None = None) -> Path:
    """Train, and return the folder of the last checkpoint.

    `resume` goes on from a checkpoint of the run: `last`, or its name. With several devices or
    DeepSpeed the processes are started from here, unless this is one of them. Raises a VicaError
    for what a user can put right: missing data, an output that is taken, settings that differ
    from those of the checkpoint, a loss that is no number.
    """
    start = start_of(config, resume)
    if needs_processes(config):
        launch(config, resume)
        return Path(config.output) / config.name
    _check_extras(config)
    set_seed(config.seed)
    arguments = _arguments(config)
    device = arguments.device
    join(config.hardware)
    processor = load_processor(config.base)
    data = conversations(config.mixture)
    plan = plan_of(config, data, processor)
    if start:
        check_same(config, plan, start.record)
    trainer = _trainer(config, arguments, plan, data, processor, _model(config, device))
    trainer.meter.lost = start.record["unreadable"] if start else 0
    trainer.train(resume_from_checkpoint=str(start.state) if start else None)
    trainer.check_finished()
    return Path(config.output) / config.name


def plan_of(config: TrainingConfig, data: Conversations, processor: ViCAProcessor) -> Plan:
    """What is trained on together and in which order; raises BudgetError if nothing would fit."""
    bounds = Bounds(processor, frames=config.frames, timed=config.time_instruction)
    bounds.check()
    return make_plan(data, config, shared=bounds.shared, own=bounds.own)


def attention_of(hardware: Hardware, batch: Batch, device: torch.device) -> str:
    """The attention that computes packs, fastest first; raises TrainingError for one that cannot.

    FlashAttention takes no mask of segments, so it is for packs of one conversation.
    """
    packed = batch.pack > 1
    flash = find_spec("flash_attn") is not None
    if hardware.attention == "auto":
        if device.type == "cpu":
            return SDPA
        return FLEX if packed else FLASH if flash else SDPA
    known = [SDPA, FLEX] if packed else [SDPA, FLEX, FLASH]
    if hardware.attention not in known:
        raise TrainingError(
            f"hardware.attention={hardware.attention} cannot compute packs of {batch.pack}: choose "
            f"{', '.join(known)} or auto"
        )
    return hardware.attention


def _check_extras(config: TrainingConfig) -> None:
    wanted = {
        "deepspeed": config.hardware.zero > 0,
        "tensorboard": config.logging.tensorboard,
        "wandb": config.logging.wandb,
    }
    missing = [name for name, needed in wanted.items() if needed and find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"this run needs {' and '.join(missing)}: pip install 'vicabench[train]' wandb, or set "
            "hardware.zero=0, logging.tensorboard=false, logging.wandb=false"
        )


def _arguments(config: TrainingConfig) -> TrainingArguments:
    """The Trainer's own settings. Saving, logging and the order of the data are ours."""
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
        dataloader_pin_memory=not on_cpu,
        remove_unused_columns=False,
        label_names=[],
        restore_callback_states_from_checkpoint=False,
    )


def _on_cpu(hardware: Hardware) -> bool:
    if hardware.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("hardware.device=cuda, but torch finds no GPU here")
    return hardware.device == "cpu" or not torch.cuda.is_available()


def _model(config: TrainingConfig, device: torch.device) -> ViCA:
    """The model that training starts from, its frozen parts frozen; a state has what was trained.

    Without DeepSpeed, which keeps a copy of its own, the weights are in float32: a step of 1e-5
    is lost in bfloat16.
    """
    hardware = config.hardware
    half = hardware.precision == "bf16" and hardware.zero > 0
    model = MODELS[family(fetch(config.base, weights=False))].from_pretrained(
        config.base,
        dtype=torch.bfloat16 if half else torch.float32,
        attn_implementation=SDPA,
    )
    model.set_attn_implementation({"": attention_of(hardware, config.batch, device)})
    freeze(model, config.learning_rates)
    if hardware.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    return model


def _trainer(
    config: TrainingConfig,
    arguments: TrainingArguments,
    plan: Plan,
    data: Conversations,
    processor: ViCAProcessor,
    model: ViCA,
) -> PackTrainer:
    dataset = PackDataset(
        data, plan.packs, processor, frames=config.frames, timed=config.time_instruction
    )
    trainer = PackTrainer(
        config=config,
        plan=plan,
        processor=processor,
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
