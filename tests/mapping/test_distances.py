"""The paper's measure, on maps whose distances can be counted."""

from vicabench.mapping.distances import accuracy, by_distance, pairs_of

TRUE = {"bed": ((0, 0),), "lamp": ((3, 4), (9, 9)), "sofa": ((0, 6),)}


def told(video: str, found: dict[str, tuple[tuple[int, int], ...]] | None) -> list[bool]:
    return [pair.right for pair in pairs_of(video, TRUE, found)]


def test_a_pair_is_right_within_one_cell() -> None:
    # True distances: bed-lamp 5 (the nearer lamp), bed-sofa 6, lamp-sofa sqrt(9 + 4) = 3.6.
    assert [round(pair.true, 2) for pair in pairs_of("v", TRUE, None)] == [5.0, 6.0, 3.61]
    assert told("v", {"bed": ((2, 1),), "lamp": ((2, 7),), "sofa": ((8, 1),)}) == [
        *(True, True, False)  # 6 and 6 are within a cell; sqrt(36 + 36) = 8.5 is not
    ]
    turned = {"bed": ((9, 9),), "lamp": ((6, 5), (0, 0)), "sofa": ((9, 3),)}
    assert told("v", turned) == [True, True, True]  # a map has no north
    assert told("v", {"bed": ((0, 0),), "lamp": ((3, 4),)}) == [True, False, False]
    assert told("v", None) == [False, False, False]


def test_unread_maps_and_missing_categories_count_as_wrong() -> None:
    pairs = [
        *pairs_of("a", TRUE, {"bed": ((0, 0),), "lamp": ((3, 4),)}),
        *pairs_of("b", TRUE, None),
    ]
    score = accuracy(pairs)
    assert (round(score.mean, 2), score.count, score.clusters, score.failed) == (16.67, 6, 2, 5)
    near = by_distance(pairs)
    assert {name: each.count for name, each in near.items() if each.count} == {
        "3.3 to 4.4": 2,
        "4.4 to 5.5": 2,
        "5.5 to 6.6": 2,
    }
    assert near["4.4 to 5.5"].mean == 50.0
