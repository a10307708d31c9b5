"""Turning one record of a data file into a `Conversation`, or stating why it cannot be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from vica.chat import PLACEHOLDER, SYSTEM
from vica.errors import VicaError, counted

Kind = Literal["video", "image", "text"]
VIDEO: Kind = "video"
IMAGE: Kind = "image"
TEXT: Kind = "text"

HUMAN, GPT = "human", "gpt"
"""The roles as the files spell them."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A record of the training data.

    Attributes:
        id: Its id, or the file's name and the index.
        turns: (`human` or `gpt`, text), alternating, a human first. The first text holds one
            `<image>` if there is a visual; no other text holds any.
        visual: The file of the video or image, or None.
        kind: What the conversation is about.
        file: The file of the record.
        index: Its number in that file, from 0.
    """

    id: str
    turns: tuple[tuple[str, str], ...]
    visual: Path | None
    kind: Kind
    file: Path
    index: int


Turns = tuple[tuple[str, str], ...]
Media = tuple[Kind, Any]
"""A kind and the file, as stated in the record."""

VIDEO_MARK = "<video>"
FIELDS: dict[str, Kind] = {
    f"{kind}{ending}": kind for kind in (VIDEO, IMAGE) for ending in ("", "s", "_path", "_paths")
}
"""The names under which a record may state its video or image."""
ROLES = {"human": HUMAN, "user": HUMAN, "gpt": GPT, "assistant": GPT}
TURNS = ("conversations", "messages")
MEDIA_NAME = re.compile(r"video|image|img|audio|frames|clips?$|picture|photo|media|visual", re.I)
MEDIA_FILE = re.compile(
    r"\.(mp4|mkv|avi|mov|webm|m4v|mpe?g|m?ts|flv|wmv|gif|jpe?g|png|webp|bmp|tiff?|mp3|wav|flac)$",
    re.I,
)
FOREIGN_TOKEN = re.compile(
    r"<\|?(?:video|image|img|audio|vision|im_patch|vid_patch)[a-z0-9_]{0,20}(?: \d+)?\|?>", re.I
)
"""Marks of media in other models' templates."""


class RecordError(VicaError):
    """Why a record cannot be trained on; the caller adds its location."""


def conversation(
    record: object, *, file: Path, index: int, media: Path, exists: Callable[[Path], bool]
) -> Conversation:
    """The conversation of a record whose videos and images are below `media`.

    A model's turn before the first human turn is left out, as in the original code.

    Raises:
        RecordError: The record cannot be trained on.
    """
    if not isinstance(record, Mapping):
        raise RecordError(f"is {type(record).__name__}, not an object")
    turns, shown = turns_of(record)
    name, kind = visual_of(record, shown)
    turns = with_placeholder(turns, kind)
    identity = str(record.get("id", f"{file.stem}/{index}"))
    check_encodable(identity, name or "", *(text for _, text in turns))
    visual = None if name is None else inside(media, name)
    if visual is not None and not exists(visual):
        raise RecordError(f"{kind} {name!r} does not exist below {media}")
    return Conversation(
        id=identity,
        turns=turns,
        visual=visual,
        kind=kind,
        file=file,
        index=index,
    )


def visual_of(record: Mapping[str, Any], shown: Sequence[Media] = ()) -> tuple[str | None, Kind]:
    """The stated name of a record's video or image, and its kind; (None, `text`) without one.

    `shown` are the media in its turns.

    Raises:
        RecordError: The record states several files, or media in fields that are not read.
    """
    stated = [(kind, record[name]) for name, kind in FIELDS.items() if record.get(name) is not None]
    media = {(_file_of(kind, value), kind) for kind, value in [*stated, *shown]}
    if not media:
        if unread := next((n for n, v in record.items() if is_media(n, v)), None):
            raise RecordError(
                f"has a field {unread!r}, which is not read: name its file in 'video' or 'image', "
                "or leave the field out of a conversation about text alone"
            )
        return None, TEXT
    if len({kind for _, kind in media}) > 1:
        raise RecordError("has a video and an image")
    if len(media) > 1:
        names = ", ".join(sorted(repr(name) for name, _ in media))
        raise RecordError(f"names {counted(len(media), 'file')} ({names}), but only one is allowed")
    return media.pop()


def is_media(name: str, value: object) -> bool:
    """Whether a field of a record seems to state a video, an image or sound."""
    if name in {*TURNS, "id"} or not value:
        return False
    return bool(MEDIA_NAME.search(name)) or any(map(MEDIA_FILE.search, _texts(value)))


def turns_of(record: Mapping[str, Any]) -> tuple[Turns, list[Media]]:
    """The turns of a record, and the media in them.

    Raises:
        RecordError: Human and model do not alternate, or the model does not come last.
    """
    stated = [record[name] for name in TURNS if record.get(name) is not None]
    if len(stated) > 1:
        raise RecordError("has 'conversations' and 'messages': keep one of them")
    if not stated or not isinstance(stated[0], Sequence) or isinstance(stated[0], str):
        raise RecordError("has no 'conversations'")
    media: list[Media] = []
    turns = tuple(_turn(turn, media) for turn in stated[0])
    if turns and turns[0] == ("system", SYSTEM):
        turns = turns[1:]
    if not turns:
        raise RecordError("has no 'conversations'")
    if turns[0][0] == GPT:
        turns = turns[1:]
    roles = [role for role, _ in turns]
    if not roles or roles != [HUMAN, GPT] * (len(roles) // 2):
        raise RecordError(f"its turns are {roles}, not {HUMAN!r} and {GPT!r} alternating")
    return turns, media


def with_placeholder(turns: Turns, kind: Kind) -> Turns:
    """The turns with `<image>` as the mark of the visual.

    Raises:
        RecordError: A visual does not have exactly one mark, in the first turn, or text has one.
    """
    tokens = (PLACEHOLDER, VIDEO_MARK)
    counts = [sum(map(text.count, tokens)) for _, text in turns]
    later = next((number for number, count in enumerate(counts[1:], start=1) if count), None)
    first = turns[0][1]
    token = VIDEO_MARK if VIDEO_MARK in first else PLACEHOLDER
    if later is not None:
        mark = next(token for token in tokens if token in turns[later][1])
        raise RecordError(f"has {mark} in turn {later}, but it belongs in turn 0")
    if counts[0] != (kind != TEXT):
        what = "neither video nor image" if kind == TEXT else f"one {kind}"
        raise RecordError(f"has {counts[0]} {token} in its first turn and {what}")
    if token == VIDEO_MARK and kind == IMAGE:
        raise RecordError(f"has {token} in its first turn and one {kind}")
    foreign = next((m for _, text in turns if (m := FOREIGN_TOKEN.search(text))), None)
    if kind == TEXT and foreign is not None:
        raise RecordError(
            f"has {foreign[0]} and neither video nor image: mark either with {PLACEHOLDER}"
        )
    return ((turns[0][0], re.sub(f"{VIDEO_MARK}\n?", f"{PLACEHOLDER}\n", first)), *turns[1:])


def check_encodable(*texts: str) -> None:
    """Raise RecordError for half of a surrogate pair, which JSON allows but tokenizers do not."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = f"U+{ord(text[error.start]):04X}"
            raise RecordError(f"has half of a surrogate pair ({half}) in its text") from None


def inside(media: Path, name: str) -> Path:
    """The file `name` below `media`; raises RecordError for a URL or a path outside `media`."""
    if re.match(r"[a-z]{2,}:/|data:", name, re.I):
        raise RecordError(f"its file {name[:60]!r} is a URL: download it and name the file")
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() and parts.is_relative_to(media.absolute().as_posix()):
        parts = parts.relative_to(media.absolute().as_posix())
    if parts.is_absolute() or ".." in parts.parts or "\0" in name:
        raise RecordError(f"its file {name!r} is outside the folder of the data")
    return media / parts


def _turn(turn: object, media: list[Media]) -> tuple[str, str]:
    stated = turn if isinstance(turn, Mapping) else {}
    role = stated.get("from", stated.get("role"))
    text = stated.get("value", stated.get("content"))
    if isinstance(text, list):
        text = "".join(_part(part, media) for part in text)
    if not isinstance(role, str) or not isinstance(text, str):
        raise RecordError("has a turn without a 'from' and a 'value' of text")
    if not text.strip():
        raise RecordError(f"has an empty turn of {role!r}")
    return ROLES.get(role, role), text


def _part(part: object, media: list[Media]) -> str:
    """The text of one part of a turn's content; a video or image becomes its mark."""
    stated = part if isinstance(part, Mapping) else {}
    # In parquet, every part has all fields, null if they do not apply.
    kind, fields = stated.get("type"), {k: v for k, v in stated.items() if v is not None}
    if kind == "text" and isinstance(fields.get("text"), str):
        return str(fields["text"])
    if kind in {VIDEO, IMAGE} and kind in fields:
        media.append((kind, fields[kind]))
        return VIDEO_MARK if kind == VIDEO else f"{PLACEHOLDER}\n"
    raise RecordError(
        f"has a part of type {kind!r} in a turn: only text, video and image are read, each from "
        "the field of that name"
    )


def _file_of(kind: Kind, stated: Any) -> str:
    """The path that a field states; raises RecordError unless it is exactly one."""
    name: Any = stated
    if isinstance(name, list) and len(name) == 1:
        name = name[0]
    if isinstance(name, Mapping) and name.get("bytes") is None:
        name = name.get("path")
    if isinstance(name, str) and name.strip():
        return str(PurePosixPath(name))
    many = isinstance(stated, list) and len(stated) > 1
    what = f"{len(stated)} of them" if many else type(stated).__name__ if stated else "it is empty"
    raise RecordError(f"its {kind!r} must be the path of one file ({what})")


def _texts(value: object) -> Iterator[str]:
    """All texts in a value, at any depth."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping | list):
            left += one.values() if isinstance(one, Mapping) else one
