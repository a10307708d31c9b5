"""VST: how its own evaluation grades replies (arXiv 2511.05491).

Source: github Yangr116/vst @842cd77, benchmark/eval_vsibench.py. It grades by the released code of
VSI-Bench, on the raw reply.
"""

from __future__ import annotations

from dataclasses import replace

from vicabench.harnesses import official

PROTOCOL = replace(
    official.PROTOCOL,
    name="vst@842cd77",
    source="VST @842cd77, benchmark/eval_vsibench.py (arXiv 2511.05491)",
)
VERSIONS = {"842cd77": PROTOCOL}
