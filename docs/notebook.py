"""Execute the notebook of the documentation, and store the outputs of its cells in it.

    python docs/notebook.py

The outputs are kept in the repository so that GitHub and the site show them: texts, tables and two
small figures, about 130 kB. A test executes the cells. Jupyter is not needed, because no kernel
runs.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent / "notebook.ipynb"
Cell = dict[str, Any]


def execute(notebook: Cell) -> None:
    """Run the code cells in order, in the current folder, and store their outputs in them."""
    names: dict[str, Any] = {"__name__": "__main__"}
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, start=1):
        cell["execution_count"] = number
        cell["outputs"] = _run("".join(cell["source"]), names, number)


def _run(source: str, names: dict[str, Any], number: int) -> list[Cell]:
    """The printed output of a cell, and the value of its last expression."""
    *before, last = ast.parse(source).body
    printed, value, name = io.StringIO(), None, f"<cell {number}>"
    with contextlib.redirect_stdout(printed):
        if not isinstance(last, ast.Expr):
            before.append(last)
        exec(compile(ast.Module(before, []), name, "exec"), names)  # noqa: S102  (our own code)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), names)  # noqa: S307
    outputs: list[Cell] = []
    if text := printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(text)})
    if value is not None:
        result = {"output_type": "execute_result", "execution_count": number, "metadata": {}}
        outputs.append({**result, "data": _shown(value)})
    return outputs


def _shown(value: Any) -> dict[str, Any]:
    """The representations of a value by their types, as Jupyter asks for them."""
    data: dict[str, Any] = {"text/plain": _lines(repr(value))}
    if hasattr(value, "_repr_png_"):
        data["image/png"] = base64.b64encode(value._repr_png_()).decode()
    elif hasattr(value, "_repr_html_"):
        data["text/html"] = _lines(value._repr_html_())
    return data


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    """Execute the notebook in an empty folder, and write it back."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        execute(notebook)
        os.chdir(NOTEBOOK.parent)
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    NOTEBOOK.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
