"""Registering our models with transformers without importing it.

The meta-path hook is needed because transformers has no entry point for other packages' models,
its `register` functions take classes whose modules import torch, and `import vica` must stay
light for decoding processes: so our classes are registered right after transformers is imported.
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
    """Register our classes now if transformers is imported, otherwise after its import."""
    if LIBRARY in sys.modules:
        import_ours()
    else:
        sys.meta_path.insert(0, _AfterImport())


def import_ours() -> None:
    """Import the modules that register our classes."""
    for name in OURS:
        import_module(name)


def _import_ours_unless_in_progress() -> None:
    """Skip if one of our modules is importing transformers: it would be imported in a circle."""
    if not any(
        name.startswith("vica.") and getattr(module.__spec__, "_initializing", False)
        for name, module in sys.modules.items()
    ):
        import_ours()


class _AfterImport(MetaPathFinder):
    """Finds transformers as usual, and registers our classes after its import."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002  (their protocol)
    ) -> ModuleSpec | None:
        """The spec of transformers, once; None for other modules."""
        if fullname != LIBRARY:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                _import_ours_unless_in_progress()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
