"""A model of transformers that is in memory already: `vicabench.HF(model, processor)`.

It answers as `--model hf:` does: a video is encoded once, all its questions are answered from
that. The model is put into evaluation mode for the answers to a video and back afterwards, module
by module, and nothing else about it is changed: it may be one that is being trained.
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
    """A model and its processor, to be given to `vicabench.evaluate`.

    Args:
        model: A model of transformers that reads images or videos and generates text.
        processor: Its processor, with a chat template.
        name: What to call it in tables; the model's `name_or_path` by default.
        as_video: Whether frames are given as one video, else as an image each. By default as a
            video, where the processor takes one and torchvision is installed.
    """

    def __init__(
        self, model: Any, processor: Any, *, name: str = "", as_video: bool | None = None
    ) -> None:
        self.model, self.processor = model, processor
        self.name = name or str(getattr(model, "name_or_path", "") or type(model).__name__)
        self._as_video = as_video

    def build(self, context: AdapterContext) -> HFAdapter:
        """The adapter around the model as it is now; ConfigError for one that cannot be asked."""
        if not hasattr(self.model, "generate"):
            raise ConfigError(f"{type(self.model).__name__} has no generate method.")
        inputs, notes = self._inputs()
        opened = Opened(model=self.model, inputs=inputs, notes=notes)
        kinds = (_InMemory, _InMemorySharing)
        return adapter_around(
            opened, context.options, {"weights_sha256": fingerprint(self.model)}, kinds
        )

    def _inputs(self) -> tuple[Inputs, tuple[str, ...]]:
        kind = self.model.config.model_type
        takes = getattr(self.processor, "video_processor", None) is not None
        if self._as_video if self._as_video is not None else takes and is_torchvision_available():
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
    """An adapter that puts the model back into the mode it was in."""

    accepts_options: ClassVar[tuple[str, ...]] = ("blind", "max_new_tokens", "wording")

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """One answer per question, in evaluation mode."""
        with evaluating(self.reader.model):
            yield from super().answer(video, questions)


class _InMemorySharing(_InMemory, SharingAdapter):
    """The same for a model whose prefill is shared."""


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode for the block; then every module is in the mode it was in before."""
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

    One pass over the weights where they are. Any step of training changes it; it does not tell
    apart weights in which the same numbers stand in another order.
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
