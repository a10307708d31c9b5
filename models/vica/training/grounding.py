"""Grounding, the stage before conversations: learning to see and name things from geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, rms_norm

from vica.errors import DataError
from vica.merging import Visual
from vica.modeling import ViCA2
from vica.processing import ViCAProcessor
from vica.segments import positions, segment_ids, visible
from vica.towers import pool, rows
from vica.video import VideoError, read_frames

FEWEST_PIXELS = 3
"""How many pixels of a thing a square needs to show it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Squares:
    """What each square shows.

    `shows` [F, Z, C] is 0 or 1 for each word; `where` [F, Z, C, 2] locates its largest thing.
    """

    shows: Tensor
    where: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """A film as the encoders see it, and the facts to learn from it."""

    visual: Visual
    things_FHW: NDArray[np.uint8]
    category_N: NDArray[np.uint8]
    where_FN2: NDArray[np.float32]
    classes_CK: Tensor
    numbers_CM: Tensor
    scene_S: Tensor

    def squares(self, side: int, frames: Sequence[int]) -> Squares:
        """What the `side` x `side` squares of some frames show."""
        words = len(self.classes_CK)
        height, width = self.things_FHW.shape[1:]
        rows, columns = np.arange(height) * side // height, np.arange(width) * side // width
        square_P = (rows[:, None] * side + columns).ravel()
        shows = np.zeros((len(frames), side * side, words), np.float32)
        where = np.zeros((len(frames), side * side, words, 2), np.float32)
        for index, frame in enumerate(frames):
            things_P = self.things_FHW[frame].ravel()
            most = np.zeros((side * side, words))
            for thing, word in enumerate(self.category_N):
                count_Z = np.bincount(square_P[things_P == thing], minlength=side * side)
                larger_Z = count_Z > most[:, word]
                most[:, word] = np.maximum(most[:, word], count_Z)
                where[index, larger_Z, word] = self.where_FN2[frame, thing]
            shows[index] = most >= FEWEST_PIXELS
        return Squares(shows=torch.from_numpy(shows), where=torch.from_numpy(where))


def read_lesson(file: Path, film: Path, processor: ViCAProcessor, frames: int) -> Lesson:
    """Read one lesson and its film; raises DataError if either cannot be read."""
    try:
        shown = read_frames(film, frames)
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Lesson(
            visual=processor.video(shown.pixels_THWC),
            things_FHW=arrays["things"],
            category_N=arrays["category"],
            where_FN2=arrays["where"],
            classes_CK=torch.from_numpy(arrays["classes"].astype(np.int64)),
            numbers_CM=torch.from_numpy(arrays["numbers"].astype(np.float32)),
            scene_S=torch.from_numpy(arrays["scene"].astype(np.float32)),
        )
    except (OSError, ValueError, KeyError, VideoError) as error:
        raise DataError(f"{file} and {film}: the lesson cannot be read: {error}") from error


LAYERS = 3
"""Words are answered after this many layers; squares must be readable after all but the last."""
LATEST = 24
"""A word stands up to this many positions after the film, as in a question."""
SHARPNESS = 1.5
"""Scale of the sigmoids' logits: the smaller, the more similar tokens and words must be."""
CLASSES = 12
"""Upper bound on the values of any class."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Maps:
    """One encoder's tokens [B, F, Z, D] of some frames, and what the squares show."""

    tokens_BFZD: Tensor
    frames: Sequence[int]
    squares: Sequence[Squares]

    @property
    def shows(self) -> Tensor:
        """Which squares show which words, [B, F, Z, C]."""
        return torch.stack([s.shows for s in self.squares])

    @property
    def where(self) -> Tensor:
        """The place of each word's largest thing in each square, [B, F, Z, C, 2]."""
        return torch.stack([s.where for s in self.squares])


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """Token ids: `opening_S` before a film, `words_C` to ask about, `scene` for the scene."""

    opening_S: Tensor
    words_C: Tensor
    scene: Tensor


class Grounding(nn.Module):
    """The losses of the lessons, and the linear probes that read the model."""

    directions_FD: Tensor
    ids: Tensor

    def __init__(self, model: ViCA2, asked: Asked, lesson: Lesson) -> None:
        """Size the probes by `lesson`, whose arrays are like those of every lesson."""
        super().__init__()
        words, self.opening = asked.words_C, asked.opening_S
        width, count = model.config.hidden_size, len(words)
        classes, numbers = lesson.classes_CK.shape[1], lesson.numbers_CM.shape[1]
        self.register_buffer("ids", torch.cat([words, asked.scene.view(1)]))
        generator = torch.Generator().manual_seed(0)
        random = torch.randn(width, model.config.video_frames, generator=generator)
        self.register_buffer("directions_FD", torch.linalg.qr(random)[0].T.contiguous())
        self.places = nn.ModuleList([nn.Linear(width, 2 * count) for _ in range(2)])
        self.classes = nn.ModuleList([nn.Linear(width, CLASSES) for _ in range(classes)])
        self.numbers = nn.Linear(width, numbers)
        self.scene = nn.Linear(width, len(lesson.scene_S))
        self.shares = nn.Parameter(torch.full((2 + LAYERS - 1,), -2.0))

    def forward(self, model: ViCA2, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        """The weighted losses by name."""
        maps, visual_BND, places = encode_films(model, lessons)
        opening_SD = model.get_input_embeddings()(self.opening)
        opening_BSD = opening_SD.expand(len(lessons), -1, -1)
        film_BPD = torch.cat([opening_BSD, visual_BND], dim=1)
        words_CD = model.get_input_embeddings()(self.ids[:-1])
        losses: dict[str, Tensor] = {}
        for number, each in enumerate(maps):
            name = ("semantic", "spatial")[number]
            losses[f"{name} shows"] = 6 * self._shows(
                each.tokens_BFZD, words_CD, each.shows, self.shares[number]
            )
            losses[f"{name} where"] = 0.5 * self._where(self.places[number], each)
        after = self._layers(model, film_BPD)
        film = film_BPD.shape[1]
        for number, hidden_BLD in enumerate(after[:-1]):
            normal_BLD = rms_norm(hidden_BLD, hidden_BLD.shape[-1:])
            tokens_BFZD = normal_BLD[:, places.semantic_FZ + len(self.opening)]
            words_B11CD = normal_BLD[:, film:-1][:, None, None]
            shown = (tokens_BFZD[..., None, :] * words_B11CD).sum(-1)
            losses[f"shows after {number + 1}"] = 6 * self._sigmoid(
                shown, maps[0].shows, self.shares[2 + number]
            )
        squares = [((h**2).mean(-1) / 4 - 1).relu().mean() for h in after]
        losses["length"] = 0.05 * torch.stack(squares).sum()
        losses["when"] = 0.3 * self._when(after[0], places)
        losses |= self._facts(after[-1][:, film:], lessons)
        return losses

    def _layers(self, model: ViCA2, film_BPD: Tensor) -> list[Tensor]:
        """Hidden states [B, P + C + 1, D] after each layer; a word sees the film and itself."""
        asked_CD = model.get_input_embeddings()(self.ids)
        hidden_BLD = torch.cat([film_BPD, asked_CD.expand(len(film_BPD), -1, -1)], dim=1)
        film, count = film_BPD.shape[1], len(self.ids)
        segments_L = segment_ids(film, [1] * count)
        place_L = positions(segments_L)
        place_L[film:] += torch.randint(LATEST, (count,))
        place_BL = place_L.expand(len(film_BPD), -1)
        rotary: Any = model.model.rotary_emb
        angles = rotary(hidden_BLD, place_BL)
        mask = visible(segments_L)[None, None]
        after = []
        for layer in model.model.layers[:LAYERS]:
            hidden_BLD = layer(
                hidden_BLD, attention_mask=mask, position_embeddings=angles, position_ids=place_BL
            )
            after.append(hidden_BLD)
        return after

    def _shows(self, tokens: Tensor, words_CD: Tensor, shows: Tensor, share: Tensor) -> Tensor:
        return self._sigmoid(tokens @ words_CD.T, shows, share)

    def _sigmoid(self, alike: Tensor, shows: Tensor, share: Tensor) -> Tensor:
        scale = SHARPNESS / self.directions_FD.shape[1] ** 0.5
        return binary_cross_entropy_with_logits(alike * scale + share, shows)

    def _where(self, read: nn.Module, maps: Maps) -> Tensor:
        shows = maps.shows[..., None]
        predicted = read(maps.tokens_BFZD).unflatten(-1, (-1, 2))
        off = ((predicted - maps.where).abs() * shows).sum()
        return off / (2 * shows.sum().clamp(min=1))  # type: ignore[no-any-return]

    def _when(self, hidden_BLD: Tensor, places: Places) -> Tensor:
        normal_BLD = rms_norm(hidden_BLD, hidden_BLD.shape[-1:])
        logits = 0.8 * normal_BLD[:, places.visual_P + len(self.opening)] @ self.directions_FD.T
        frames_BP = places.frame_P.expand(len(logits), -1)
        return cross_entropy(logits.flatten(0, 1), frames_BP.flatten())

    def _facts(self, hidden_BCD: Tensor, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        """The losses of facts read from the words, and from the last one, the scene."""
        hidden_BCD = rms_norm(hidden_BCD, hidden_BCD.shape[-1:])
        classes_BCK = torch.stack([lesson.classes_CK for lesson in lessons])
        losses = {}
        for number, read in enumerate(self.classes):
            known = classes_BCK[..., number]
            logits = read(hidden_BCD[:, :-1]).flatten(0, 1)
            losses[f"class {number}"] = 0.3 * cross_entropy(
                logits, known.flatten(), ignore_index=-1
            )
        numbers_BCM = torch.stack([lesson.numbers_CM for lesson in lessons])
        off_BCM = (self.numbers(hidden_BCD[:, :-1]) - numbers_BCM).abs()
        losses["numbers"] = 0.6 * off_BCM.nanmean()
        scene_BS = torch.stack([lesson.scene_S for lesson in lessons])
        losses["scene"] = 0.6 * (self.scene(hidden_BCD[:, -1]) - scene_BS).abs().mean()
        return losses


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """The positions of visual tokens in a film's block, and the frame of each.

    `semantic_FZ` are the semantic map's squares; `visual_P` are all tokens, including newlines.
    """

    semantic_FZ: Tensor
    visual_P: Tensor
    frame_P: Tensor


def encode_films(model: ViCA2, lessons: Sequence[Lesson]) -> tuple[list[Maps], Tensor, Places]:
    """The maps of both encoders, and the films' tokens as the language model sees them."""
    config = model.config
    inner: Any = model.model
    layout, frames = config.layout, config.video_frames
    shares = layout.spatial_indices(frames)
    spatial = config.spatial
    pixels = torch.cat([lesson.visual.pixels_FCHW for lesson in lessons])
    finer = torch.cat([_hiera(lesson) for lesson in lessons])
    both = (
        (
            pool(inner.mm_projector(inner.vision_tower(pixels)), layout.semantic),
            list(range(frames)),
        ),
        (
            pool(inner.sam_projector(inner.sam_tower(finer, config.hiera_stage)), spatial),
            shares,
        ),
    )
    maps, blocks, numbers = [], [], []
    for map_NHWD, chosen in both:
        side = map_NHWD.shape[1]
        tokens = map_NHWD.flatten(1, 2).unflatten(0, (len(lessons), -1))
        squares = [lesson.squares(side, chosen) for lesson in lessons]
        maps.append(Maps(tokens_BFZD=tokens, frames=chosen, squares=squares))
        blocks.append(rows(map_NHWD, inner.image_newline).unflatten(0, (len(lessons), -1)))
        numbers.append(torch.tensor(list(chosen)).repeat_interleave(side * (side + 1)))
    side = both[0][0].shape[1]
    grid = torch.arange(frames * side * (side + 1)).view(frames, side, side + 1)
    places = Places(
        semantic_FZ=grid[:, :, :side].flatten(1),
        visual_P=torch.arange(sum(map(len, numbers))),
        frame_P=torch.cat(numbers),
    )
    return maps, torch.cat(blocks, dim=1), places


def _hiera(lesson: Lesson) -> Tensor:
    pixels = lesson.visual.hiera_pixels_FCHW
    return lesson.visual.pixels_FCHW[:0] if pixels is None else pixels
