"""ViCA, and ViCA2 as its difference: a language model that is shown videos and images.

Encoding is apart from the language model: `encode` turns a video or an image into a block of
tokens that any number of prompts can be merged with.

Shapes: F frames, C = 3 colours, H and W pixels, N visual tokens, B samples, S ids, L positions,
D the language model's width, V rows of the vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForImageTextToText,
    GenerationConfig,
    LogitsProcessorList,
    Qwen2ForCausalLM,
)
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.models.qwen2.modeling_qwen2 import Qwen2PreTrainedModel

from vica.chat import PLACEHOLDER_ID
from vica.checkpoint import prepared, write_published_config
from vica.config import ViCA2Config, ViCAConfig
from vica.errors import InputError
from vica.generation import settled
from vica.merging import HIERA_PIXELS, PIXELS, SIZES, Merged, Visual, merge, parted
from vica.tensors import TO_OURS, published_name
from vica.towers import ViCA2Model, ViCAModel


class ViCA(Qwen2ForCausalLM):
    """A language model that is shown one video or image for each `<image>` of its text."""

    config: ViCAConfig
    config_class = ViCAConfig
    main_input_name = "input_ids"
    model: ViCAModel
    backbone: ClassVar[type[ViCAModel]] = ViCAModel
    _no_split_modules = ["Qwen2DecoderLayer", "SiglipEncoderLayer"]  # noqa: RUF012

    def __init__(self, config: ViCAConfig) -> None:
        Qwen2PreTrainedModel.__init__(self, config)  # Qwen2ForCausalLM would build a Qwen2 first
        self.model = self.backbone(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def from_pretrained(  # type: ignore[override]  # a part of their arguments
        cls, spec: str | Path, *args: Any, config: ViCAConfig | None = None, **options: Any
    ) -> Self:
        """A model from a hub id or folder, in the published layout or in ours: whole or not at all.

        `options` are transformers' (`dtype`, `device_map`, `attn_implementation`, `revision`
        ...). Raises CheckpointError for files that are missing or damaged, for tensors that are
        missing, unexpected or misshapen, for another family, for pickled weights and for
        checkpoints that ask to run code. Tensors go from disk to the device one by one.
        """
        folder, config, options = prepared(cls, spec, config, options)
        return super().from_pretrained(folder, *args, config=config, key_mapping=TO_OURS, **options)

    def save_pretrained(  # type: ignore[override]  # a part of their arguments
        self,
        folder: str | Path,
        *,
        published: bool = True,
        state_dict: dict[str, Tensor] | None = None,
        **options: Any,
    ) -> None:
        """Write the model to a folder in the published layout, or in ours.

        They differ in the tensors' names and in `config.json`, which in the published layout
        the original code can read too. `options` are transformers' (`max_shard_size` ...).
        """
        tensors = self.state_dict() if state_dict is None else state_dict
        if published:
            tensors = {published_name(name): tensor for name, tensor in tensors.items()}
        super().save_pretrained(folder, state_dict=tensors, save_original_format=False, **options)
        if published and options.get("is_main_process", True):
            write_published_config(self.config, Path(folder))

    @property
    def vocabulary(self) -> int:
        """How many ids can be answered: those that the tokenizer knows."""
        return self.config.tokenizer_length or self.vocab_size

    def encode_video(self, pixels_FCHW: Tensor, hiera_pixels_FCHW: Tensor | None = None) -> Tensor:
        """The tokens [N, D] of a video from its preprocessed frames."""
        visual = Visual(pixels_FCHW=pixels_FCHW, hiera_pixels_FCHW=hiera_pixels_FCHW)
        return self.model.encode(visual)

    def encode(self, visual: Visual) -> Tensor:
        """The tokens [N, D] of a video or of an image."""
        return self.model.encode(visual)

    def merge(
        self,
        input_ids: Tensor,
        blocks: list[Tensor],
        *,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        side: str | None = None,
    ) -> Merged:
        """Prompts [B, S] with each placeholder replaced by a block that `encode` gave.

        With labels, samples that overflow the context are cut, as in the published training;
        without, they raise BudgetError. `side` is where padding goes, the configured one if None.
        """
        return merge(
            self.get_input_embeddings(),
            input_ids,
            blocks,
            attention_mask_BS=attention_mask,
            labels_BS=labels,
            limit=self.config.tokenizer_model_max_length,
            truncate=labels is not None,
            side=side or self.config.tokenizer_padding_side,
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        pixel_values: Tensor | None = None,
        hiera_pixel_values: Tensor | None = None,
        visual_sizes: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits [B, L, V] over the merged sequence, and the loss if there are labels [B, S].

        Takes what the processor gives, or `inputs_embeds` that were merged before. Rows of the
        vocabulary beyond the tokenizer's ids have logits too; `generate` never answers them.
        """
        visuals = parted(
            {PIXELS: pixel_values, HIERA_PIXELS: hiera_pixel_values, SIZES: visual_sizes}
        )
        if input_ids is not None and (visuals or (input_ids == PLACEHOLDER_ID).any()):
            blocks = [self.encode(visual) for visual in visuals]
            merged = self.merge(input_ids, blocks, attention_mask=attention_mask, labels=labels)
            input_ids, inputs_embeds, labels = None, merged.embeds_BLD, merged.labels_BL
            attention_mask, position_ids = merged.attention_mask_BL, merged.position_ids_BL
        return super().forward(  # type: ignore[no-any-return]
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            labels=labels,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor | None = None,
        *,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        hiera_pixel_values: Tensor | None = None,
        visual_sizes: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: LogitsProcessorList | None = None,
        **options: Any,
    ) -> Any:
        """The new ids [B, at most max_new_tokens] after a prompt, without the prompt's own.

        Greedy unless `do_sample=True`; else as the checkpoint's generation_config.json says. Its
        repetition penalty counts new tokens only, as the prompt reaches the language model as
        embeddings. No id beyond the tokenizer's is ever answered.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise InputError("generate needs input_ids, or inputs_embeds that were merged")
            visuals = parted(
                {PIXELS: pixel_values, HIERA_PIXELS: hiera_pixel_values, SIZES: visual_sizes}
            )
            blocks = [self.encode(visual) for visual in visuals]
            merged = self.merge(input_ids, blocks, attention_mask=attention_mask, side="left")
            inputs_embeds, attention_mask = merged.embeds_BLD, merged.attention_mask_BL
        if attention_mask is None:
            attention_mask = torch.ones(
                inputs_embeds.shape[:2], dtype=torch.long, device=inputs_embeds.device
            )
        settings, scoring, rest = settled(
            generation_config or self.generation_config,
            options,
            self.vocabulary,
        )
        return super().generate(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            generation_config=settings,
            logits_processor=LogitsProcessorList([*scoring, *(logits_processor or [])]),
            **rest,
        )


class ViCA2(ViCA):
    """ViCA with the second, spatial encoder."""

    config: ViCA2Config
    config_class = ViCA2Config
    backbone: ClassVar[type[ViCAModel]] = ViCA2Model
    _no_split_modules = [*ViCA._no_split_modules, "Sam2MultiScaleBlock"]  # noqa: RUF012


MODELS: dict[str, type[ViCA]] = {"llava_qwen": ViCA, "vica_qwen": ViCA2}
"""The models by the `model_type` of their checkpoints."""

for _class in MODELS.values():
    AutoModelForImageTextToText.register(_class.config_class, _class)
