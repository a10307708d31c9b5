"""The recipes: the published trainings, and Rooms, as functions that return a configuration.

Sources of the numbers: [S] the training scripts in the authors' repository (github.com/nkkbr/ViCA,
scripts/), [R] its README, [V] the ViCA report (arXiv 2505.12312).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches

from vica.errors import RecipeError
from vica.training.config import (
    Batch,
    Hardware,
    LearningRates,
    Logging,
    Mixture,
    Optimizer,
    Saving,
    Source,
    TrainingConfig,
)

ROOMS_RATE = 4e-3
ROOMS_VISION_RATE = 4e-4
"""A tenth, so that the encoders keep what they learned from lessons."""
NAME, BASE = "ViCA2-Rooms", "ViCA2-Rooms-base"
DATA = "rooms-train"
EXERCISE_EPOCHS = 2.0
CONVERSATIONS, FILMS = 60_880, 3_200
"""What `vicabench data training-rooms` makes by default."""


def rooms_exercises(
    base: str, data: str, output: str, *, epochs: float = EXERCISE_EPOCHS, seed: int = 0
) -> TrainingConfig:
    """Rooms, stage 2: exercises alone, as a single checkpoint."""
    exercises = Source(path=f"{data}/exercises", format="vica-base", media=data)
    return replace(
        rooms(base, data, output, name=BASE, seed=seed),
        mixture=Mixture(sources=(exercises,)),
        epochs=epochs,
        saving=Saving(every=1.0),
    )


def rooms(
    base: str = "vica2-rooms-base",
    data: str = DATA,
    output: str = "checkpoints/ViCA2-Rooms",
    *,
    name: str = NAME,
    seed: int = 0,
) -> TrainingConfig:
    """Rooms, a ViCA2 of 1.8M parameters on a CPU: the benchmark's kinds of questions.

    A step has four films; `data` is a folder from `vicabench data training-rooms`.
    """
    rooms_to_train_on = Source(
        path=data, format="vica-base", published=CONVERSATIONS, visuals=FILMS
    )
    return TrainingConfig(
        name=name,
        base=base,
        shape="vica2-rooms",
        mixture=Mixture(sources=(rooms_to_train_on,)),
        learning_rates=LearningRates(
            language_model=ROOMS_RATE,
            semantic_encoder=ROOMS_VISION_RATE,
            semantic_projector=ROOMS_VISION_RATE,
            spatial_projector=ROOMS_VISION_RATE,
        ),
        output=output,
        frames=12,
        time_instruction=False,
        optimizer=Optimizer(beta2=0.98, weight_decay=0.02, muon=5.0, layer_decay=0.65),
        batch=Batch(packs_per_device=4, pack=32, max_tokens=2048, loss_group=0),
        hardware=Hardware(
            device="cpu",
            precision="fp32",
            attention="sdpa",
            gradient_checkpointing=False,
            workers=0,
        ),
        saving=Saving(every=0.05),
        logging=Logging(tensorboard=False),
        seed=seed,
    )


RATE = 1e-5
STATED_VISION_RATE = 2e-6
PROJECTOR_RATE = 1e-3
"""[S] of stage 1; its `mm_vision_tower_lr` of 1e-3 has no effect, as SigLIP is frozen there."""

CC3M = Source(  # [R] 595,375 images with a caption each
    path="liuhaotian/LLaVA-CC3M-Pretrain-595K",
    format="llava-cc3m",
    published=595_375,
    visuals=595_375,
)
ONEVISION = Source(  # [S] each of 79 subsets "random:10%"; [R] 279,353 in total
    path="lmms-lab/LLaVA-OneVision-Data",
    format="llava-onevision",
    subsets="vica2-stage2",
    sampling="random:10%",
    published=279_353,
    published_of="random:10%",
)
VICA_322K = Source(  # [V] 4,495 videos of ARKitScenes, 1,425 of ScanNet, 854 of ScanNet++
    path="nkkbr/ViCA-322K", format="vica", published=322_003, visuals=6_774
)
VICA_281K = replace(VICA_322K, format="vica-base", published=281_359)  # [V] Figure 4
VICA_THINKING = Source(  # [R] 2,680 examples, each about a different video
    path="nkkbr/ViCA-thinking-2.68k", published=2_680, visuals=2_680
)


def vica2_stage1() -> TrainingConfig:
    """ViCA2 stage 1: the new spatial projector alone, on captions of CC3M.

    [S] 4 GPUs with 2 x 8 sequences each, 1e-3, ZeRO-2 with offload (its file is not published),
    a checkpoint every 2,000 steps, of which the newest 2 are kept.
    """
    return TrainingConfig(
        name="ViCA2-stage1",
        base="nkkbr/ViCA2-init",
        shape="vica2-7b",
        mixture=Mixture(sources=(CC3M,)),
        learning_rates=LearningRates(
            language_model=None,
            semantic_encoder=None,
            semantic_projector=None,
            spatial_projector=PROJECTOR_RATE,
        ),
        output="checkpoints/ViCA2-stage1",
        batch=Batch(packs_per_device=8, accumulation=2, loss_group=8),
        hardware=Hardware(devices=4, zero=2, offload="optimizer"),
        saving=Saving(keep=2),
    )


def vica2_stage2() -> TrainingConfig:
    """ViCA2 stage 2: everything but Hiera, on a tenth of 79 subsets of LLaVA-OneVision.

    [S] 4 GPUs with 2 x 1 sequences each, 1e-5, ZeRO-3 with optimizer and parameters offloaded,
    a checkpoint every 2,000 steps, of which the newest 2 are kept.
    """
    return TrainingConfig(
        name="ViCA2-stage2",
        base="nkkbr/ViCA2-stage1-align",
        shape="vica2-7b",
        mixture=Mixture(sources=(ONEVISION,)),
        learning_rates=_all_but_hiera(),
        output="checkpoints/ViCA2-stage2",
        batch=Batch(packs_per_device=1, accumulation=2),
        hardware=Hardware(devices=4, zero=3, offload="all"),
        saving=Saving(keep=2),
    )


def vica2_stage3() -> TrainingConfig:
    """ViCA2 stage 3: everything but Hiera, on ViCA-322K; a checkpoint every 5% of it.

    [S] as stage 2, with a checkpoint every 2,056 of about 40,250 steps, the newest 22 kept.
    """
    return replace(
        vica2_stage2(),
        name="ViCA2",
        base="nkkbr/ViCA2-stage2-onevision-ft",
        mixture=Mixture(sources=(VICA_322K,)),
        output="checkpoints/ViCA2",
        saving=Saving(every=0.05, keep=22),
    )


def vica2_thinking() -> TrainingConfig:
    """ViCA2 Thinking: everything but Hiera, on ViCA-Thinking-2.68K.

    [R] 1e-5, one epoch, ZeRO-3. No script is published: the batch and the parts' rates are those
    of stage 3.
    """
    return replace(
        vica2_stage3(),
        name="ViCA2-Thinking",
        base="nkkbr/ViCA2",
        mixture=Mixture(sources=(VICA_THINKING,)),
        output="checkpoints/ViCA2-Thinking",
    )


def vica() -> TrainingConfig:
    """ViCA: everything, on ViCA-322K; a checkpoint every 5% of it.

    [S] 8 GPUs with 2 x 2 sequences each, 1e-5, ZeRO-3 with offload, a checkpoint every 515 of
    about 10,062 steps, the newest 22 kept. [V] 55 hours on 8 H100.
    """
    return replace(
        vica2_stage3(),
        name="ViCA",
        base="lmms-lab/LLaVA-Video-7B-Qwen2",
        shape="vica-7b",
        learning_rates=replace(_all_but_hiera(), spatial_projector=None),
        output="checkpoints/ViCA",
        batch=Batch(packs_per_device=2, accumulation=2, loss_group=2),
        hardware=Hardware(devices=8, zero=3, offload="all"),
    )


def vica_base_only() -> TrainingConfig:
    """ViCA without the complex reasoning data: the 281,359 conversations of `base` alone.

    [V] the "Base" curve of Figure 4. All other settings are ViCA's.
    """
    return replace(
        vica(),
        name="ViCA-Base",
        mixture=Mixture(sources=(VICA_281K,)),
        output="checkpoints/ViCA-Base",
    )


def vica_thinking() -> TrainingConfig:
    """ViCA Thinking: ViCA trained on ViCA-Thinking-2.68K, with checkpoints every 5%.

    [V] one epoch. No script is published: the batch and rates are those of ViCA.
    """
    return replace(
        vica(),
        name="ViCA-thinking",
        base="nkkbr/ViCA",
        mixture=Mixture(sources=(VICA_THINKING,)),
        output="checkpoints/ViCA-thinking",
    )


def one_rate(build: Callable[[], TrainingConfig]) -> Callable[[], TrainingConfig]:
    """A variant of a recipe in which SigLIP learns at the rate of all other parts.

    The scripts state a lower rate for SigLIP, which probably had no effect.
    """

    def twin() -> TrainingConfig:
        config = build()
        rates = replace(config.learning_rates, semantic_encoder=RATE)
        name, output = f"{config.name}-one-rate", f"{config.output}-one-rate"
        return replace(config, name=name, output=output, learning_rates=rates)

    first = (build.__doc__ or "").splitlines()[0].rstrip(".")
    twin.__doc__ = f"{first}; SigLIP at 1e-5 too, as was probably in force."
    return twin


Recipe = Callable[[], TrainingConfig]
_TWO_RATES: dict[str, Recipe] = {
    "vica2-stage2": vica2_stage2,
    "vica2-stage3": vica2_stage3,
    "vica2-thinking": vica2_thinking,
    "vica": vica,
    "vica-base-only": vica_base_only,
    "vica-thinking": vica_thinking,
}
RECIPES: dict[str, Recipe] = {
    "vica2-stage1": vica2_stage1,
    **_TWO_RATES,
    **{f"{name}-one-rate": one_rate(build) for name, build in _TWO_RATES.items()},
    "vica2-rooms": rooms,
}
"""The recipes by the names that `vicabench train` takes."""


def recipe(name: str) -> TrainingConfig:
    """The configuration of a recipe; raises RecipeError for an unknown name."""
    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, n=3, cutoff=0.4) or list(RECIPES)
        raise RecipeError(f"unknown recipe {name!r}; similar names: {', '.join(near)}")
    return RECIPES[name]()


def _all_but_hiera() -> LearningRates:
    return LearningRates(
        language_model=RATE,
        semantic_encoder=STATED_VISION_RATE,
        semantic_projector=RATE,
        spatial_projector=RATE,
    )
