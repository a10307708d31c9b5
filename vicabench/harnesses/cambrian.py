"""How the authors of Cambrian-P ask it, and what is known of Cambrian-S."""

from __future__ import annotations

from vicabench.harnesses.official import GREEDY
from vicabench.harnesses.presets import CAMBRIAN, OTHER, PHRASE, Asks, Preset, vsi_wording

P = (
    "github cambrian-mllm/cambrian-p @b3c1552: doc/evaluation.md, lmms-eval/lmms_eval/tasks/"
    "vsibench, lmms-eval/lmms_eval/models/simple/cambrian_p.py"
)
S = "github EvolvingLMMs-Lab/EASI @0c1a41e, docs/Benchmark_Verification.md, on Cambrian-S"
UNSEEN = "the number of frames is from others' tables: the authors' evaluation could not be read"

PRESETS = (
    Preset(
        name="cambrian-p",
        version="b3c1552",
        source=P,
        reading="official@51e089c",
        wordings=(vsi_wording("cambrian-p", P, numeric=PHRASE),),
        families={
            OTHER: Asks(
                wording="cambrian-p", frames=128, frame_rule="lin", generation=GREEDY, known=False
            ),
            CAMBRIAN: Asks(
                wording="cambrian-p",
                frames=128,
                frame_rule="lin",
                generation=GREEDY,
                short=("the camera tokens of Cambrian-P are not built here",),
            ),
        },
    ),
    Preset(
        name="cambrian-s",
        version="unverified",
        source=S,
        reading="official@51e089c",
        wordings=(vsi_wording("cambrian-s", S, numeric=PHRASE),),
        families={
            OTHER: Asks(
                wording="cambrian-s",
                frames=128,
                frame_rule="lin",
                generation=GREEDY,
                short=(UNSEEN,),
                known=False,
            ),
            CAMBRIAN: Asks(
                wording="cambrian-s",
                frames=128,
                frame_rule="lin",
                generation=GREEDY,
                short=(UNSEEN,),
            ),
        },
    ),
)
