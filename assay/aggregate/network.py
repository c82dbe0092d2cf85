"""Sorting without a sort: a fixed list of comparisons, of which only those stay that what is wanted depends on.

Batcher's odd-even merge sort in the form for any count (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M).
"""

Comparator = tuple[int, int]
"""Two wires: the first gets the smaller value, the second the larger."""


def sorting(count: int) -> list[Comparator]:
    """Comparators that sort `count` wires."""
    found: list[Comparator] = []
    highest = 1 << max(count - 1, 0).bit_length() >> 1
    stride = highest
    while stride:
        following, residue, distance = highest, 0, stride
        while True:
            found += [(i, i + distance) for i in range(count - distance) if i & stride == residue]
            if following == stride:
                break
            following, residue, distance = following // 2, stride, following - stride
        stride //= 2
    return found


def trimming(count: int, dropped: int) -> list[Comparator]:
    """Comparators after which the `dropped` smallest are on the first wires and the `dropped` largest on the last, in
    any order there and between.

    Two wires that nothing tells apart any more need not be compared. So from the end backwards: a comparator goes if
    both its wires end in the same of the three parts as they are, and else what it is given has to be told apart.
    """
    ends: list[object] = [*("low",) * dropped, *("kept",) * (count - 2 * dropped), *("high",) * dropped]
    kept: list[Comparator] = []
    for low, high in reversed(sorting(count)):
        if ends[low] != ends[high]:
            ends[low], ends[high] = object(), object()
            kept.append((low, high))
    return kept[::-1]
