"""Where boxes lie: in ranks, so that arrows point one way, cross little, and bend around what is between their ends.

This is the method of Sugiyama et al. (1981) in its simplest form. Graphviz does it better, but is a program that pip
does not bring; libraries that draw layers in Python need it, or have a licence that ours does not go with.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Size = tuple[float, float]
Point = tuple[float, float]
_SWEEPS = 12
_LONGEST = 40  # ranks; longer arrows go straight, or a chain that uses one leaf everywhere would be made of bends
_CORRIDOR = 12.0  # width of the way that an arrow takes past a box, in pixels


class Layout(NamedTuple):
    """Centres of boxes, and the points that each arrow goes through from centre to centre; along ranks, then across."""

    centres: list[Point]
    arrows: dict[tuple[int, int], list[Point]]


class _Ranked(NamedTuple):
    """Boxes and bends in ranks: bends are numbered behind the boxes, and make nearly every link one rank long."""

    ranks: list[list[int]]
    ways: dict[tuple[int, int], list[int]]
    before: list[list[int]]  # of each box or bend, its neighbours one rank back
    after: list[list[int]]


def layout(parents: Sequence[Sequence[int]], sizes: Sequence[Size], between_ranks: float, gap: float) -> Layout:
    """Lay out boxes, each behind its parents.

    Args:
        parents: of each box, places of its parents, all of which are smaller than its own.
        sizes: of each box, along the direction in which ranks follow each other, and across it.
        between_ranks: room between ranks, for arrows.
        gap: least room between neighbours in a rank.

    >>> found = layout([[], [], [0, 1]], [(40, 20)] * 3, 30, 10)
    >>> found.centres
    [(20.0, 0.0), (20.0, 30.0), (90.0, 15.0)]
    """
    ranked = _with_bends(parents, _ranks(parents))
    _untangle(ranked)
    widths = [size[1] for size in sizes] + [_CORRIDOR] * (len(ranked.before) - len(sizes))
    across = _positions(ranked, widths, gap)
    centres: list[Point] = [(0.0, 0.0)] * len(sizes)
    through: dict[int, list[Point]] = {}  # the points at which arrows go through a box or, past its rank, a bend
    start = 0.0
    for rank in ranked.ranks:
        deep = max((sizes[node][0] for node in rank if node < len(sizes)), default=0.0)
        for node in rank:
            if node < len(sizes):
                centres[node] = start + deep / 2, float(across[node])
                through[node] = [centres[node]]
            else:
                through[node] = [(start, float(across[node])), (start + deep, float(across[node]))]
        start += deep + between_ranks
    arrows = {ends: [point for node in way for point in through[node]] for ends, way in ranked.ways.items()}
    return Layout(centres, arrows)


def _ranks(parents: Sequence[Sequence[int]]) -> list[int]:
    """One rank behind the last parent; what has no parent, one before its first child."""
    ranks = [0] * len(parents)
    for node, above in enumerate(parents):
        ranks[node] = max((ranks[parent] + 1 for parent in above), default=0)
    first_child = dict[int, int]()
    for node, above in enumerate(parents):
        for parent in above:
            first_child[parent] = min(first_child.get(parent, ranks[node]), ranks[node])
    for node, above in enumerate(parents):
        if not above and node in first_child:
            ranks[node] = first_child[node] - 1
    return ranks


def _with_bends(parents: Sequence[Sequence[int]], rank_of: Sequence[int]) -> _Ranked:
    ranks: list[list[int]] = [[] for _ in range(max(rank_of) + 1)]
    for node, rank in enumerate(rank_of):
        ranks[rank].append(node)
    ways: dict[tuple[int, int], list[int]] = {}
    before: list[list[int]] = [[] for _ in parents]
    after: list[list[int]] = [[] for _ in parents]
    for node, above in enumerate(parents):
        for parent in dict.fromkeys(above):
            way = [parent]
            bends = range(rank_of[parent] + 1, rank_of[node])
            for rank in bends if len(bends) <= _LONGEST else ():
                way.append(len(before))
                ranks[rank].append(len(before))
                before.append([])
                after.append([])
            way.append(node)
            ways[parent, node] = way
            for one, next_one in itertools.pairwise(way) if len(bends) <= _LONGEST else ():
                after[one].append(next_one)
                before[next_one].append(one)
    return _Ranked(ranks, ways, before, after)


def _untangle(ranked: _Ranked) -> None:
    """Sort each rank by the mean place of its neighbours, forwards and backwards in turn."""
    for sweep in range(_SWEEPS):
        forwards = sweep % 2 == 0
        neighbours = ranked.before if forwards else ranked.after
        ranks = ranked.ranks if forwards else ranked.ranks[::-1]
        places = {node: float(place) for node, place in _places(ranks[0])}
        for rank in ranks[1:]:
            own = dict(_places(rank))
            wanted = {n: np.mean([places[m] for m in neighbours[n]]) if neighbours[n] else own[n] for n in rank}
            rank.sort(key=lambda node: (wanted[node], own[node]))
            places = {node: float(place) for node, place in _places(rank)}


def _places(rank: list[int]) -> list[tuple[int, int]]:
    return [(node, place) for place, node in enumerate(rank)]


def _positions(ranked: _Ranked, widths: Sequence[float], gap: float) -> np.ndarray:
    """Across ranks: everything as near as possible to its neighbours, in the order found, without overlap."""
    from scipy.optimize import isotonic_regression

    position = np.zeros(len(widths))
    offsets: list[np.ndarray] = []
    for rank in ranked.ranks:
        steps = [(widths[a] + widths[b]) / 2 + gap for a, b in itertools.pairwise(rank)]
        offsets.append(np.concatenate([[0.0], np.cumsum(steps)]))
        position[rank] = offsets[-1] - offsets[-1][-1] / 2
    for sweep in range(_SWEEPS):
        order = range(len(ranked.ranks)) if sweep % 2 == 0 else range(len(ranked.ranks) - 1, -1, -1)
        for index in order:
            rank = ranked.ranks[index]
            wanted = [np.mean(position[near]) if (near := _near(ranked, n, sweep)) else position[n] for n in rank]
            # Neighbours keep their distance if what is left after taking it off does not decrease.
            position[rank] = isotonic_regression(np.array(wanted) - offsets[index]).x + offsets[index]
    return position - position.min()


def _near(ranked: _Ranked, node: int, sweep: int) -> list[int]:
    """Neighbours on the side that the sweep comes from; at last, on both."""
    if sweep >= _SWEEPS - 2:
        return ranked.before[node] + ranked.after[node]
    return ranked.before[node] if sweep % 2 == 0 else ranked.after[node]
