"""Predictions for the tests of the page: hostile ones, and as many as VSI-Bench asks for."""

from pathlib import Path

from tests.support import Row, is_numeric, rows_about, write_jsonl
from vicabench.rubric import VSI

SCRIPT = "<script>document.title = 'broken'</script>"
UNCLOSED = "<b>An unclosed tag </script><!-- & a comment <img src=x onerror='document.title=1'>"
DECEIVING = "left\u202ethgir\u202c and a NUL \x00 \ud800 \u2028"
LONG = "A" + "x" * 1_000_000 + "the end"
THOUGHT = "<think>First the <i>chair</i>, then the table.</think>A"
HOSTILE_NAME = "<img src=x onerror='document.title=2'>&.jsonl"

COUNTS = (565, 834, 953, 288, 710, 217, 378, 373, 194, 618)
"""Questions of each type in VSI-Bench, in the order of VSI.types; 5,130 in all."""


def hostile_rows() -> dict[str, list[Row]]:
    """Runs by the names of their files: one all right, one whose replies try to get out."""
    rows = rows_about(6)
    rows.append({**rows[0], "id": "lost", "video": "nowhere"})
    good = [{**row, "response": row["ground_truth"]} for row in rows]
    bad = [{**row, "response": "none of these"} for row in rows]
    for row, reply in zip(bad, (SCRIPT, UNCLOSED, DECEIVING, LONG, THOUGHT, ""), strict=False):
        row["response"] = reply
    bad[6] |= {"response": None, "error": f"adapter: {SCRIPT}"}
    bad[7] |= {"seconds": None, "stop": SCRIPT}
    return {"good.jsonl": good, HOSTILE_NAME: bad}


def vsibench_rows(every: int) -> list[Row]:
    """5,130 questions about 288 videos of three data sets; each `every`-th is answered wrongly."""
    kinds = [kind for kind, n in zip(VSI.types, COUNTS, strict=True) for _ in range(n)]
    return [
        {
            "id": place,
            "video": f"{('scannet', 'scannetpp', 'arkitscenes')[place % 3]}/scene{place % 288}",
            "question_type": kind,
            "question": f"What about thing {place}?",
            "options": None if is_numeric(kind) else ["A. left", "B. right"],
            "ground_truth": "4" if is_numeric(kind) else "B",
            "response": "far off" if place % every == 0 else "4" if is_numeric(kind) else "B",
        }
        for place, kind in enumerate(kinds)
    ]


def write_run(path: Path, rows: list[Row]) -> Path:
    return write_jsonl(path, rows)
