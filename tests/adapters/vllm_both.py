"""Ask one model through `hf:` and through `vllm:`, and print what differs, as a line of JSON.

Runs as a separate process: torchvision's operators must be declared before it is imported.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from vica.video import read_frames

from vicabench.adapters import build_adapter
from vicabench.adapters.hf.adapter import HFAdapter
from vicabench.adapters.vllm.adapter import VllmAdapter
from vicabench.harnesses.prompts import vsi_bench
from vicabench.types import AdapterContext, Benchmark, ModelOptions, Question, Video

FRAMES = 8
TEXTS = ("How many chairs are there?", "How far is it from the bed to the door, in meters?", "Why?")
TOO_LONG = Question(id="long", video="clip", task="object_counting", text="x" * 9000, answer="1")
PLACEHOLDER = Question(
    id="odd", video="clip", task="object_counting", text="<|video_pad|>", answer="1"
)


def main(model: str, clip: str) -> None:
    frames = read_frames(Path(clip), FRAMES)
    video = Video(
        name="clip",
        path=Path(clip),
        frames_THWC=frames.pixels_THWC,
        seconds=frames.seconds,
        duration=frames.duration,
    )
    asked = [
        Question(id=str(n), video="clip", task="object_counting", text=text, answer="1")
        for n, text in enumerate(TEXTS)
    ]
    options = ModelOptions(max_new_tokens=6, dtype="float32")
    context = AdapterContext(
        benchmark=Benchmark(name="b", subset="", revision="", questions=(), files={}),
        seed=0,
        frames=FRAMES,
        options=options,
    )
    hf = build_adapter(f"hf:{model}", context)
    less = replace(context, options=replace(options, gpu_memory=0.1))  # of the whole machine
    vllm = build_adapter(f"vllm:{model}", less)
    assert isinstance(hf, HFAdapter)
    assert isinstance(vllm, VllmAdapter)
    # What no engine would answer costs the others nothing.
    questions = [asked[0], TOO_LONG, PLACEHOLDER, *asked[1:]]
    answers = {answer.question_id: answer for answer in vllm.answer(video, questions)}
    texts = [hf.reader.inputs.text(vsi_bench(each), FRAMES) for each in asked]
    encoded = hf.reader.encode(hf.prepare(video), texts)
    prompts = [hf.reader.prompt(encoded, text) for text in texts]
    theirs = hf.reader.answer(encoded, prompts, keep_logits=True)
    ours = replies(vllm, video, texts)
    steps = [
        abs(float(logits_V.log_softmax(-1)[token]) - logprob)
        for one, other in zip(theirs, ours, strict=True)
        for token, logits_V, logprob in zip(one.ids, one.logits, other["logprobs"], strict=True)
    ]
    found = {
        "prompts": [list(p.ids) == o["prompt_ids"] for p, o in zip(prompts, ours, strict=True)],
        "ids": [list(one.ids) == other["ids"] for one, other in zip(theirs, ours, strict=True)],
        "texts": [answers[q.id].response == r.text for q, r in zip(asked, theirs, strict=True)],
        "stops": [answers[q.id].stop == r.stop for q, r in zip(asked, theirs, strict=True)],
        "difference": max(steps),
        "cached": [(answers[each.id].usage or {})["cached_tokens"] for each in asked],
        "errors": {key: each.error for key, each in answers.items() if each.error},
        "settings": dict(vllm.settings),
        "frames_as": hf.settings["frames_as"],
    }  # fmt: skip
    sys.stdout.write(json.dumps(found) + "\n")
    vllm.close()


def replies(vllm: VllmAdapter, video: Video, texts: list[str]) -> list[dict[str, Any]]:
    """What the engine says of each prompt, with log-probabilities and the ids of the prompt."""
    prompts: list[dict[str, Any]] = [
        {
            "ids": vllm.inputs.unexpanded(text, FRAMES),
            "sampling": {**vllm.generation, "logprobs": 1},
        }
        for text in texts
    ]
    seen = vllm.prepare(video)
    header = {**seen.header, "prompts": prompts, "prompt_ids": True}
    return vllm.running.ask(header, seen.pixels.frames_THWC)
