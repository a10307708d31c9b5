"""`openai:MODEL`: OpenAI, or with --base-url any server that speaks its chat completions."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from vicabench.adapters.api.adapter import ApiAdapter, settings_of
from vicabench.adapters.api.chat import ChatModel, text_part
from vicabench.adapters.api.showing import Frames
from vicabench.errors import ConfigError
from vicabench.types import AdapterContext


def build(argument: str, context: AdapterContext) -> ApiAdapter:
    """The adapter of the model that `argument` names; ConfigError if it cannot be asked."""
    options = context.options
    if not argument:
        raise ConfigError("Say which model: --model openai:MODEL")
    model = ChatModel(argument, options, context.seed)
    showing = Frames(options=options, part=_image)
    return ApiAdapter(
        model=model,
        options=options,
        settings=settings_of(model, showing, options),
        showing=showing,
        text=text_part,
    )


def _image(jpeg: bytes) -> dict[str, Any]:
    url = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
