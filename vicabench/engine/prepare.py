"""An adapter's `prepare`, called for the next videos while the present one is being answered."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from time import monotonic
from types import TracebackType
from typing import Any, Self

from vicabench.engine.check import described
from vicabench.engine.decode import Decoded
from vicabench.errors import UserError
from vicabench.types import Adapter


class PrepareAhead:
    """The stage after decoding: one thread, one video after another, in order.

    A context manager, which waits for a call that is under way. An adapter without `prepare`
    gets its videos as they were decoded.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._prepare: Any = getattr(adapter, "prepare", None)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def __call__(self, decoding: Future[Decoded]) -> Future[Decoded]:
        """What will be the video with what was prepared of it, or with the error that came of it.

        Its result raises UserError, as the adapter may, and what the decoding raises.
        """
        if self._prepare is None:
            return decoding
        return self._thread.submit(self._prepared, decoding)

    def _prepared(self, decoding: Future[Decoded]) -> Decoded:
        decoded = decoding.result()
        if decoded.frames is None:
            return decoded
        start = monotonic()
        made, error = None, None
        try:
            made = self._prepare(decoded.video())
        except (UserError, KeyboardInterrupt):
            raise
        except BaseException as reason:  # an adapter may raise anything
            error = f"adapter: prepare: {described(reason)}"
            logging.getLogger("vicabench").error("%s", decoded.name, exc_info=True)
        return replace(
            decoded,
            frames=None if error else decoded.frames,
            error=error,
            prepared=made,
            prepare_seconds=monotonic() - start,
        )
