"""The picture in the README: a room's video, its exact plan, and questions asked about it.

`nox -s demo` makes it: docs/images/rooms.png. Nothing in it is drawn by hand.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle
from matplotlib.transforms import Affine2D
from vica.video import Frames, read_frames

from vicabench.benchmarks import rooms
from vicabench.rooms.camera import pose_at
from vicabench.rooms.furniture import KINDS, make_scene
from vicabench.rooms.scene import Scene
from vicabench.types import Benchmark, Question

mpl.use("Agg")
from matplotlib import pyplot as plt

INK, FAINT, GREEN = "#22262e", "#8a909c", "#0b6e4f"
COLOURS = {kind.name: kind.colour for kind in KINDS}
SHOWN = (
    "object_counting",
    "object_abs_distance",
    "object_size_estimation",
    "room_size_estimation",
    "object_rel_distance",
    "object_rel_direction_hard",
    "obj_appearance_order",
)


def film_strip(axes: list[Axes], frames: Frames) -> None:
    """One frame an axis, with its second."""
    # The walk ends where it began: its last frame would only repeat the first.
    for ax, image_HWC, second in zip(axes, frames.pixels_THWC[:-1], frames.seconds, strict=False):
        ax.imshow(image_HWC)
        ax.set_axis_off()
        ax.set_title(f"{second:.1f} s", fontsize=9, color=FAINT, loc="left", pad=3)


def plan(ax: Axes, scene: Scene) -> None:
    """The room from above: the boxes that the ground truth is computed from, and the walk."""
    ax.add_patch(Rectangle((0, 0), scene.width, scene.depth, fc="#f6f3ee", ec=INK, lw=2))
    for thing in scene.things:
        box = thing.box
        corner = (box.x - box.length / 2, box.y - box.width / 2)
        turned = Affine2D().rotate_around(box.x, box.y, box.yaw) + ax.transData
        colour = COLOURS[thing.category]
        ax.add_patch(
            Rectangle(corner, box.length, box.width, fc=colour, ec="white", lw=1, transform=turned)
        )
        ax.annotate(
            thing.category, (box.x, box.y), fontsize=7.5, ha="center", va="center", color=INK,
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
        )  # fmt: skip
    moments = np.linspace(0, scene.walk.seconds, 200)
    path = np.array([(p.x, p.y) for p in (pose_at(scene, t) for t in moments)])
    ax.plot(*path.T, color=INK, lw=1, ls=":")
    first = pose_at(scene, 0.0)
    ahead = np.array([np.cos(first.yaw), np.sin(first.yaw)])
    side = np.array([-ahead[1], ahead[0]])
    eye = np.array([first.x, first.y])
    ax.add_patch(Polygon([eye + 0.35 * ahead, eye + 0.12 * side, eye - 0.12 * side], fc=INK))
    ax.set_xlim(-0.1, scene.width + 0.1)
    ax.set_ylim(-0.1, scene.depth + 0.1)
    ax.set_aspect("equal", anchor="NW")
    ax.set_axis_off()
    title = f"the plan, {scene.width:.1f} by {scene.depth:.1f} m"
    ax.set_title(title, fontsize=9, color=FAINT, loc="left", pad=3)


def asked(ax: Axes, questions: list[Question]) -> None:
    """One question of each type shown, with its true answer."""
    ax.set_axis_off()
    ax.set_title("asked about this video", fontsize=9, color=FAINT, loc="left", pad=3)
    height = 0.97
    for kind in SHOWN:
        question = next((q for q in questions if q.task == kind), None)
        if question is None:
            continue
        right = [option for option in question.options if option.startswith(question.answer)]
        answer = right[0] if right else question.answer
        text = question.text.split("\n")[0].split(" If multiple rooms")[0]
        lines = textwrap.wrap(text, 78)
        ax.text(0, height, "\n".join(lines), fontsize=9, va="top", color=INK, linespacing=1.25)
        shown = "\n".join(textwrap.wrap(answer, 22))
        ax.text(0.8, height, shown, fontsize=9, va="top", color=GREEN, weight="bold")
        height -= 0.053 * len(lines) + 0.045


def draw(benchmark: Benchmark, scene: Scene, out: Path) -> None:
    """Put strip, plan and questions together."""
    video = f"rooms/{scene.name}"
    frames = read_frames(benchmark.files[video], 7)
    questions = [question for question in benchmark.questions if question.video == video]
    figure = plt.figure(figsize=(12, 6.1), dpi=140)
    strip = figure.add_gridspec(1, 6, left=0.02, right=0.98, top=0.95, bottom=0.68, wspace=0.04)
    film_strip([figure.add_subplot(strip[0, i]) for i in range(6)], frames)
    below = figure.add_gridspec(
        1, 2, left=0.02, right=0.98, top=0.63, bottom=0.02, width_ratios=[1, 1.35], wspace=0.06
    )
    plan(figure.add_subplot(below[0, 0]), scene)
    asked(figure.add_subplot(below[0, 1]), questions)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    draw(rooms.load(), make_scene(0, number), Path("docs/images/rooms.png"))
