"""How the authors of VLM-3R ask it: a fork of the benchmark's own harness."""

from __future__ import annotations

from vicabench.harnesses.official import GREEDY
from vicabench.harnesses.presets import LLAVA, OTHER, PHRASE, Asks, Preset, vsi_wording

SOURCE = (
    "github VITA-Group/VLM-3R @6dd1264: thinking-in-space/eval_vlm_3r_vsibench.sh, "
    "thinking-in-space/lmms_eval/models/vlm_3r.py"
)

PRESETS = (
    Preset(
        name="vlm-3r",
        version="6dd1264",
        source=SOURCE,
        reading="official@51e089c",
        wordings=(vsi_wording("vlm-3r", SOURCE, numeric=PHRASE),),
        families={
            LLAVA: Asks(
                wording="vlm-3r",
                frames=32,
                frame_rule="lin",
                generation=GREEDY,
                short=("VLM-3R's own model, with its camera and point tokens, is not built here",),
            ),
            OTHER: Asks(
                wording="vlm-3r", frames=32, frame_rule="lin", generation=GREEDY, known=False
            ),
        },
    ),
)
