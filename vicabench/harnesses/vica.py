"""How ViCA and ViCA2 were evaluated by their authors, and what vicabench does by itself."""

from __future__ import annotations

from vicabench.harnesses.presets import OTHER, VICA, Asks, Preset

SOURCE = "arXiv 2505.12312 and 2505.12363, and the checkpoints nkkbr/ViCA @main, nkkbr/ViCA2 @main"
GENERATION = {"max_new_tokens": 1024, "temperature": 0.0}

PRESETS = (
    Preset(
        name="vica",
        version="2505.12312",
        source=SOURCE,
        reading="official",
        wordings=(),
        families={
            VICA: Asks(wording="vica", frames=64, frame_rule="lin", generation=GENERATION),
            OTHER: Asks(
                wording="vsi-bench",
                frames=64,
                frame_rule="lin",
                generation=GENERATION,
                known=False,
            ),
        },
    ),
)
