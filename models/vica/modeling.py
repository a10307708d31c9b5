"""The models: ViCA, a language model that sees videos and images, and its subclass ViCA2.

Encoding is separate from the language model: `encode` turns a video or an image into a block of
tokens that can be merged with any number of prompts.

Shapes: F frames, C = 3 colours, H and W pixels, N visual tokens, B samples, S ids, L positions,
D the language model's width, V rows of the vocabulary.
"""

from __future__ import annotations

import re
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
from vica.lineages import UNUSED
from vica.merging import HIERA_PIXELS, PIXELS, SIZES, Merged, Visual, merge, split_visuals
from vica.tensors import TO_OURS, published_name
from vica.towers import ViCA2Model, ViCAModel


class ViCA(Qwen2ForCausalLM):
    """A language model that sees one video or image for each `<image>` in its text."""

    config: ViCAConfig
    config_class = ViCAConfig
    main_input_name = "input_ids"
    model: ViCAModel
    backbone: ClassVar[type[ViCAModel]] = ViCAModel
    _no_split_modules = ["Qwen2DecoderLayer", "SiglipEncoderLayer"]  # noqa: RUF012
    _keys_to_ignore_on_load_unexpected = ["^" + re.escape(UNUSED)]  # noqa: RUF012

    def __init__(self, config: ViCAConfig) -> None:
        Qwen2PreTrainedModel.__init__(self, config)  # Qwen2ForCausalLM would build a Qwen2 first
        self.model = self.backbone(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def from_pretrained(  # type: ignore[override]  # fewer arguments than theirs
        cls, spec: str | Path, *args: Any, config: ViCAConfig | None = None, **options: Any
    ) -> Self:
        """Load a complete model from a hub id or folder, in the published layout or ours.

        Tensors are copied from disk to the device one by one. `options` are transformers'
        (`dtype`, `device_map`, `attn_implementation`, `revision` ...).

        Raises:
            CheckpointError: A file is missing or damaged; a tensor is missing, unexpected or
                misshapen; or the checkpoint belongs to another family, has pickled weights or
                asks to run code.
        """
        folder, config, options = prepared(cls, spec, config, options)
        return super().from_pretrained(folder, *args, config=config, key_mapping=TO_OURS, **options)

    def save_pretrained(  # type: ignore[override]  # fewer arguments than theirs
        self,
        folder: str | Path,
        *,
        published: bool = True,
        state_dict: dict[str, Tensor] | None = None,
        **options: Any,
    ) -> None:
        """Write the model to a folder in the published layout, or in ours.

        The layouts differ in the tensors' names and in `config.json`; the original code can read
        the published one. `options` are transformers' (`max_shard_size` ...).
        """
        tensors = self.state_dict() if state_dict is None else state_dict
        if published:
            tensors = {published_name(name): tensor for name, tensor in tensors.items()}
        super().save_pretrained(folder, state_dict=tensors, save_original_format=False, **options)
        if published and options.get("is_main_process", True):
            write_published_config(self.config, Path(folder))

    @property
    def vocabulary(self) -> int:
        """How many ids can be generated: those that the tokenizer knows."""
        return self.config.tokenizer_length or self.vocab_size

    def encode_video(self, pixels_FCHW: Tensor, hiera_pixels_FCHW: Tensor | None = None) -> Tensor:
        """Encode a video's preprocessed frames as tokens [N, D]."""
        visual = Visual(pixels_FCHW=pixels_FCHW, hiera_pixels_FCHW=hiera_pixels_FCHW)
        return self.model.encode(visual)

    def encode(self, visual: Visual) -> Tensor:
        """Encode a video or an image as tokens [N, D]."""
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
        """Replace each placeholder in prompts [B, S] by a block that `encode` returned.

        With labels, samples that overflow the context are cut, as in the published training;
        without labels, they raise BudgetError. `side` is where padding goes; None means the
        configured side.
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

        Takes the processor's output, or `inputs_embeds` that are already merged. The logits
        include rows of the vocabulary beyond the tokenizer's ids; `generate` never picks those.
        """
        visuals = split_visuals(
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
        """Generate ids [B, at most max_new_tokens] after a prompt; only the new ids are returned.

        Decoding is greedy unless `do_sample=True`; other settings are those of the checkpoint's
        generation_config.json. Its repetition penalty counts new tokens only, because the prompt
        reaches the language model as embeddings. Ids beyond the tokenizer's are never generated.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise InputError(
                    "generate needs input_ids, or inputs_embeds that are already merged"
                )
            visuals = split_visuals(
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
