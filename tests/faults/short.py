"""ViCA with little more memory than is in use when it answers."""

import resource
from collections.abc import Sequence
from pathlib import Path

from vicabench.adapters.vica import ViCAAdapter, build
from vicabench.types import AdapterContext, Answer, Question, Video

SPARE = 60_000_000


class Short:
    needs_video = True
    accepts_options = ViCAAdapter.accepts_options

    def __init__(self, argument: str, context: AdapterContext) -> None:
        self.adapter = build(argument, context)
        self.settings = self.adapter.settings
        self.prepare = self.adapter.prepare

    def answer(self, video: Video, questions: Sequence[Question]) -> list[Answer]:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + SPARE, before[1]))
        try:
            return list(self.adapter.answer(video, questions))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
