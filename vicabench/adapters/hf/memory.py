"""`vicabench.HF(model, processor)`: answer with a transformers model in memory.

It answers as with `--model hf:`: a video is encoded once, and all its questions are answered from
that. The model may be in training: it is put into evaluation mode for the answers about a video
and back afterwards, module by module, and nothing else about it changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers.utils.import_utils import is_torchvision_available
from vica.errors import InputError

from vicabench.adapters.hf.adapter import HFAdapter, SharingAdapter, adapter_around
from vicabench.adapters.hf.inputs import Inputs
from vicabench.adapters.hf.model import Opened
from vicabench.errors import ConfigError
from vicabench.types import AdapterContext, Answer, Question, Video


class HF:
    """A model and its processor, for `vicabench.evaluate`.

    Args:
        model: A model of transformers that reads images or videos and generates text.
        processor: Its processor, with a chat template.
        name: Its name in tables; by default the model's `name_or_path`.
        as_video: Whether the frames are given as one video, else as one image each. By default a
            video, if the processor accepts one and torchvision is installed.
    """

    def __init__(
        self, model: Any, processor: Any, *, name: str = "", as_video: bool | None = None
    ) -> None:
        self.model, self.processor = model, processor
        self.name = name or str(getattr(model, "name_or_path", "") or type(model).__name__)
        self._as_video = as_video

    def build(self, context: AdapterContext) -> HFAdapter:
        """Make the adapter around the model as it is now.

        Raises:
            ConfigError: For a model that cannot generate, or a processor that takes no frames.
        """
        if not hasattr(self.model, "generate"):
            raise ConfigError(f"{type(self.model).__name__} has no generate method.")
        inputs, notes = self._inputs()
        opened = Opened(model=self.model, inputs=inputs, notes=notes)
        kinds = (_InMemory, _InMemorySharing)
        return adapter_around(opened, context, {"weights_sha256": fingerprint(self.model)}, kinds)

    def _inputs(self) -> tuple[Inputs, tuple[str, ...]]:
        kind = self.model.config.model_type
        as_video = self._as_video
        if as_video is None:
            has_video_processor = getattr(self.processor, "video_processor", None) is not None
            as_video = has_video_processor and is_torchvision_available()
        if as_video:
            try:
                return Inputs(self.processor, as_video=True, model_type=kind), ()
            except InputError as error:
                if self._as_video:
                    raise ConfigError(f"as_video=True: {error}.") from error
                note = f"{kind} gets the frames of a video as separate images: {error}"
                return self._as_images(kind), (note,)
        return self._as_images(kind), ()

    def _as_images(self, kind: str) -> Inputs:
        try:
            return Inputs(self.processor, as_video=False, model_type=kind)
        except InputError as error:
            raise ConfigError(
                f"{type(self.processor).__name__} cannot be used: {error}."
            ) from error


class _InMemory(HFAdapter):
    """An adapter that restores the mode of the model."""

    accepts_options: ClassVar[tuple[str, ...]] = ("blind", "max_new_tokens", "wording")

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """Yield one answer per question, in evaluation mode."""
        with evaluating(self.reader.model):
            yield from super().answer(video, questions)


class _InMemorySharing(_InMemory, SharingAdapter):
    """The same with a shared prefill."""

    accepts_options: ClassVar[tuple[str, ...]] = (*_InMemory.accepts_options, "group_size")


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Set evaluation mode for the block, then restore the mode of every module."""
    training = [module for module in model.modules() if module.training]
    model.train(False)
    try:
        yield
    finally:
        for module in training:
            module.training = True


@torch.no_grad()
def fingerprint(model: torch.nn.Module) -> str:
    """SHA-256 of the names, shapes and dtypes of all weights, and of the sum of each one's bits.

    It takes one pass over the weights on their device. Any training step changes it; the same
    numbers in another order do not.
    """
    state = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        what = f"{name} {tuple(tensor.shape)} {tensor.dtype} {_bits(tensor)}\n"
        state.update(what.encode())
    return state.hexdigest()


def _bits(tensor: Tensor) -> int:
    if tensor.is_meta:
        raise ConfigError("The model has weights on the meta device: load them first.")
    size = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    plain = tensor.detach().contiguous()
    if plain.is_complex() or plain.element_size() not in size:
        return int(plain.view(torch.uint8).sum(dtype=torch.int64))
    return int(plain.view(size[plain.element_size()]).sum(dtype=torch.int64))
