"""Making transformers know our models as soon as it is there, without importing it for that.

transformers has no entry point for models of other packages, and importing it takes seconds
that a decoding process should not pay. So registration waits for its import.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

LIBRARY = "transformers"
OURS = ("vica.modeling", "vica.processing")
"""Each of our modules registers its own classes when it is imported."""


def register_with_transformers() -> None:
    """Register our classes now if transformers is imported, or else once it is."""
    if LIBRARY in sys.modules:
        import_ours()
    else:
        sys.meta_path.insert(0, _AfterImport())


def import_ours() -> None:
    """Import what registers our classes."""
    for name in OURS:
        import_module(name)


def _import_ours_unless_that_is_going_on() -> None:
    """If it is one of our modules that imports transformers, ours cannot be imported yet."""
    if not any(
        name.startswith("vica.") and getattr(module.__spec__, "_initializing", False)
        for name, module in sys.modules.items()
    ):
        import_ours()


class _AfterImport(MetaPathFinder):
    """Lets transformers be found as always, and our classes be registered after its import."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002  (their protocol)
    ) -> ModuleSpec | None:
        """The spec of transformers, once; nothing for other modules."""
        if fullname != LIBRARY:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                _import_ours_unless_that_is_going_on()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
