"""One record of a data file judged: a `Conversation`, or why it cannot be trained on.

The original takes any record and fails, or trains on something else, when it comes to it: an image
token too many repeats the image, none drops it, a video that cannot be read becomes the next one.
Here a record is judged when the data is opened, and bad ones are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from vica.chat import PLACEHOLDER
from vica.errors import VicaError
from vica.training.types import GPT, HUMAN, IMAGE, TEXT, VIDEO, Conversation, Kind

Turns = tuple[tuple[str, str], ...]


class RecordError(VicaError):
    """Why a record cannot be trained on; where it is from is said by whoever counts it."""


def conversation(
    record: object, *, file: Path, index: int, media: Path, exists: Callable[[Path], bool]
) -> Conversation:
    """The conversation of a record whose videos and images are below `media`; raises RecordError.

    A turn of the model's before the first human one is left out, as the original does.
    """
    if not isinstance(record, Mapping):
        raise RecordError(f"is no object but {type(record).__name__}")
    name, kind = visual_of(record)
    turns = turns_of(record.get("conversations"))
    check_placeholders(turns, kind)
    identity = str(record.get("id", f"{file.stem}/{index}"))
    check_encodable(identity, name or "", *(text for _, text in turns))
    visual = None if name is None else inside(media, name)
    if visual is not None and not exists(visual):
        raise RecordError(f"{kind} {name!r} is not below {media}")
    return Conversation(
        id=identity,
        turns=turns,
        visual=visual,
        kind=kind,
        file=file,
        index=index,
    )


def visual_of(record: Mapping[str, Any]) -> tuple[str | None, Kind]:
    """The name of a record's video or image as it is stated, and which of the two it is."""
    stated = [(kind, record[kind]) for kind in (VIDEO, IMAGE) if record.get(kind)]
    if not stated:
        return None, TEXT
    if len(stated) > 1:
        raise RecordError("has a video and an image")
    kind, name = stated[0]
    if isinstance(name, list) and len(name) == 1:
        name = name[0]
    if not isinstance(name, str):
        many = f"{len(name)} of them" if isinstance(name, list) else type(name).__name__
        raise RecordError(f"its {kind!r} is no path of one file ({many})")
    return name, kind


def turns_of(stated: object) -> Turns:
    """Who says what; raises RecordError unless human and model take turns and the model ends."""
    if not isinstance(stated, Sequence) or isinstance(stated, str) or not stated:
        raise RecordError("has no 'conversations'")
    turns = tuple(_turn(turn) for turn in stated)
    if turns[0][0] == GPT:
        turns = turns[1:]
    roles = [role for role, _ in turns]
    if not roles or roles != [HUMAN, GPT] * (len(roles) // 2):
        raise RecordError(f"its turns are {roles}, not {HUMAN!r} and {GPT!r} in turn")
    return turns


def _turn(turn: object) -> tuple[str, str]:
    role = turn.get("from") if isinstance(turn, Mapping) else None
    text = turn.get("value") if isinstance(turn, Mapping) else None
    if not isinstance(role, str) or not isinstance(text, str):
        raise RecordError("has a turn without a 'from' and a 'value' of text")
    if not text.strip():
        raise RecordError(f"has an empty turn of {role!r}")
    return role, text


def check_placeholders(turns: Turns, kind: Kind) -> None:
    """Raise RecordError unless a visual has one `<image>`, in the first turn, and text has none."""
    counts = [text.count(PLACEHOLDER) for _, text in turns]
    later = [number for number, count in enumerate(counts[1:], start=1) if count]
    if later:
        raise RecordError(f"has {PLACEHOLDER} in turn {later[0]}, and it belongs into turn 0")
    if counts[0] != (kind != TEXT):
        what = "neither video nor image" if kind == TEXT else f"one {kind}"
        raise RecordError(f"has {counts[0]} {PLACEHOLDER} in its first turn and {what}")


def check_encodable(*texts: str) -> None:
    """Raise RecordError for half of a surrogate pair: JSON can spell it, no tokenizer takes it."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = f"U+{ord(text[error.start]):04X}"
            raise RecordError(f"has half of a surrogate pair ({half}) in its text") from None


def inside(media: Path, name: str) -> Path:
    """The file `name` below `media`; raises RecordError if it would lead out of it."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or "\0" in name:
        raise RecordError(f"its file {name!r} leads out of the folder of the data")
    return media / parts
