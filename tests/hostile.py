"""A folder of modules that must not be imported: by every name that a program may ask for."""

import sys
from pathlib import Path

INSTALLED = ("av", "decord", "numpy", "rich", "torch", "transformers", "typer", "vica", "vicabench")


def set_traps(folder: Path, sprung: Path) -> None:
    """Put modules into a folder, each of which writes its name to `sprung` when it is imported."""
    for name in (*sys.stdlib_module_names, *INSTALLED):
        code = f"open({str(sprung)!r}, 'a').write({name!r} + ' ')\n"
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
