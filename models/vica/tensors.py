"""Names and shapes of the tensors in safetensors files, read without loading the weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from vica.errors import CheckpointError, pointer

_HIERA = (
    ("patch_embed.proj.", "patch_embed.projection."),
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
    (".mlp.layers.0.", ".mlp.proj_in."),
    (".mlp.layers.1.", ".mlp.proj_out."),
)
"""Published names and ours; no other part of the models has such names."""

_PREFIXES = (
    ("model.vision_tower.vision_tower.vision_model.", "model.vision_tower."),
    ("model.sam_tower.vision_tower.", "model.sam_tower."),
)
_HIERA_ALONE = re.compile(r"^(hiera\.|image_encoder\.trunk\.|vision_encoder\.backbone\.)")

TO_OURS: dict[str, str] = {
    r"^model\.sam_tower\.vision_tower\.hiera\.": "model.sam_tower.",
    r"^model\.vision_tower_aux_list\.0\.vision_tower\.vision_model\.": "model.vision_tower.",
    **{"^" + re.escape(published): ours for published, ours in _PREFIXES},
    **{re.escape(published): ours for published, ours in _HIERA},
}
"""Patterns that, replaced in order, turn published names into ours; ours stay unchanged."""


def our_name(published: str) -> str:
    """Our name of a tensor, from its published name or ours."""
    for pattern, replacement in TO_OURS.items():
        published = re.sub(pattern, replacement, published, count=1)
    return published


def published_name(ours: str) -> str:
    """The published name of one of our tensors."""
    for theirs, prefix in _PREFIXES:
        if ours.startswith(prefix):
            ours = theirs + ours.removeprefix(prefix)
    if ours.startswith(_PREFIXES[1][0]):
        for theirs, part in _HIERA:
            ours = ours.replace(part, theirs)
    return ours


def hiera_alone(name: str) -> str | None:
    """Our name of a tensor in a checkpoint of Hiera alone or of SAM 2; None if it is not Hiera's.

    Its prefix is `hiera.` or none in Hiera's repositories, `image_encoder.trunk.` in SAM 2.1, and
    `vision_encoder.backbone.` in transformers' conversion of SAM 2.1.
    """
    trunk = _HIERA_ALONE.sub("", name)
    if not trunk.startswith(("pos_embed", "patch_embed.", "blocks.")):
        return None
    return our_name(f"{_PREFIXES[1][0]}{trunk}").removeprefix(_PREFIXES[1][1])


INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
Shape = tuple[int, ...]
SHOWN = 5
"""How many tensors a message names."""


def shapes(folder: Path) -> dict[str, Shape]:
    """The shape of every tensor of a checkpoint, by name.

    Raises:
        CheckpointError: A file is missing or damaged, or holds whole numbers; the index lists
            tensors that no file has; or there are no safetensors files (pickled weights can run
            code and are not read).
    """
    stored: dict[str, Shape] = {}
    for path in files(folder):
        stored |= {name: shape for name, (shape, _) in _header(path)}
    refuse_whole_numbers(folder, integers(folder))
    lost = sorted(set(_index(folder)) - set(stored)) if not _is_file(folder / SINGLE) else []
    if lost:
        raise CheckpointError(f"{folder}: {INDEX} lists tensors that no file has: {listed(lost)}")
    return stored


def integers(folder: Path) -> list[str]:
    """The names of the tensors stored as whole numbers; raises CheckpointError as `shapes` does."""
    return [
        name
        for path in files(folder)
        for name, (_, kind) in _header(path)
        if not kind.startswith(("F", "BF"))
    ]


def refuse_whole_numbers(folder: Path, names: list[str]) -> None:
    """Raise CheckpointError if there are names: such weights would load as silently rounded."""
    if names:
        raise CheckpointError(
            f"{folder}: holds weights stored as whole numbers, whose fractions are lost: "
            f"{len(names):,}, {listed(names)}. Convert the checkpoint again, in bfloat16 or float32"
        )


def files(folder: Path) -> list[Path]:
    """The safetensors files of the checkpoint in a folder.

    As in transformers: the single file if it exists, otherwise the files of the index.

    Raises:
        CheckpointError: A file is missing, or the index names files outside the folder.
    """
    index = {} if _is_file(folder / SINGLE) else _index(folder)
    if outside := [name for name in index.values() if Path(name).name != name]:
        raise CheckpointError(
            f"{folder}: {INDEX} names files outside its folder: {listed(outside)}"
        )
    paths = [folder / name for name in sorted(set(index.values()))] or [folder / SINGLE]
    missing = [path.name for path in paths if not _is_file(path)]
    if index and missing:
        raise CheckpointError(f"{folder}: {INDEX} names missing files: {listed(missing)}")
    if missing:
        pickled = sorted(p.name for p in folder.glob("*") if p.suffix in {".bin", ".pt", ".pth"})
        beside = f" (found {listed(pickled)})" if pickled else ""
        raise CheckpointError(
            f"{folder}: has no {SINGLE} and no {INDEX}{beside}. Only safetensors are read: "
            "pickled weights can run code when they are loaded; convert them first"
        )
    return paths


def compare(
    stored: Mapping[str, Shape],
    wanted: Mapping[str, Shape],
    where: str,
    spell: Callable[[str], str],
) -> None:
    """Raise CheckpointError unless names and shapes are equal.

    The message shows each name as `spell` returns it.
    """
    problems = []
    missing = [spell(name) for name in wanted if name not in stored]
    extra = [spell(name) for name in stored if name not in wanted]
    misshapen = [
        f"{spell(name)} is {list(stored[name])}, not {list(shape)}"
        for name, shape in wanted.items()
        if name in stored and stored[name] != shape
    ]
    for kind, names in (("missing", missing), ("unexpected", extra), ("misshapen", misshapen)):
        if names:
            problems.append(f"{len(names)} {kind}: {listed(names)}")
    if problems:
        raise CheckpointError(f"{where}: its tensors are not the model's; {'; '.join(problems)}")


def listed(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _is_file(path: Path) -> bool:
    """Whether the file exists; False for a name that is not valid for a file."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _index(folder: Path) -> dict[str, str]:
    """The file of every tensor of a sharded checkpoint; empty if it has no index."""
    path = folder / INDEX
    if not path.is_file():
        return {}
    try:
        weight_map = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): str(file) for name, file in weight_map.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = pointer(path) or f"is not an index of safetensors: {error!r}"
        raise CheckpointError(f"{path}: {what}") from error


def _header(path: Path) -> Iterator[tuple[str, tuple[Shape, str]]]:
    """Name, shape and dtype (such as `BF16`) of each tensor of a file."""
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118  (not a dict)
                tensor = file.get_slice(name)
                yield name, (tuple(tensor.get_shape()), str(tensor.get_dtype()))
    except (SafetensorError, OSError) as error:
        what = pointer(path) or f"is damaged or cut short: {error}"
        raise CheckpointError(f"{path}: {what}") from error
