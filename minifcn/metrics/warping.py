"""Warping error: the pixels that are wrong for a topological reason, and not because a boundary lies a little off.

The truth is deformed towards the proposal as far as its topology allows: no cell may be split, merged, pierced, made or
lost. What still differs then is counted. A boundary that is merely elsewhere costs nothing, a gap in a membrane its
length, a cell that was missed one pixel.

A *simple point* is a pixel whose flip changes no topology. Here the foreground (cell interior) is 4-connected and the
background (membrane) 8-connected, as in the components of `minifcn.metrics.isbi`; pixels beyond the image count as
background. With the eight neighbours x_0 ... x_7 in a circle, x_0 to the right, a pixel is simple if its crossing
number

    Σ over k = 0, 2, 4, 6 of  x_k − x_k x_{k+1} x_{k+2}        (indices modulo 8)

is 1 (Yokoi, Toriwaki & Fukumura 1975): it touches one 4-component of the foreground around it, and some background.

Source: Jain et al. 2010, "Boundary learning by optimization with topological constraints", CVPR. To find the best
deformation of all is hard; as there, simple points that differ are flipped until there are none. Which remain may
depend on the order: here it is first in, first out, beginning row by row, so results are the same every time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

#: The eight neighbours in a circle, (row, column), from the right and up.
_NEIGHBOURS = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def is_simple(neighbours: np.ndarray) -> np.ndarray:
    """Whether pixels are simple points, whatever they are themselves.

    Args:
        neighbours: (..., 8) boolean, in a circle from the right.

    Returns:
        (...) boolean.

    >>> is_simple(np.array([[1, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0], [1] * 8], dtype=bool))
    array([ True, False, False])
    """
    x = np.asarray(neighbours, np.int64)
    crossings = sum(x[..., k] * (1 - x[..., k + 1] * x[..., (k + 2) % 8]) for k in (0, 2, 4, 6))
    return np.asarray(crossings == 1)


#: By the neighbours as the bits of a number, x_0 the lowest.
_SIMPLE = is_simple((np.arange(256)[:, None] >> np.arange(8)) & 1)


def warp(truth: np.ndarray, proposal: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """The truth, deformed towards the proposal by flipping simple points that differ.

    Args:
        truth: (H, W) boolean, True = cell interior.
        proposal: (H, W) boolean.
        mask: (H, W) boolean, where flips are allowed, for example near true boundaries; None: everywhere.

    Returns:
        (H, W) boolean, of the topology of ``truth``.

    Raises:
        ValueError: an argument is not boolean, or shapes differ.

    A membrane that lies one pixel off can be moved there:

    >>> warp(np.array([[1, 1, 0, 1, 1]], bool), np.array([[1, 0, 1, 1, 1]], bool)).astype(int)
    array([[1, 0, 1, 1, 1]])
    """
    (truth,), (proposal,), masks = _as_stacks("warp", truth, proposal, mask, dimensions=(2,))
    return _warped(truth, proposal, None if masks is None else masks[0])


def warping_error(truth: np.ndarray, proposal: np.ndarray, mask: np.ndarray | None = None) -> float:
    """The fraction of all pixels in which the deformed truth still differs from the proposal; see `warp`.

    Args:
        truth: (H, W) boolean, or (N, H, W), whose slices are deformed one by one; True = cell interior.
        proposal: the same shape, boolean; a map of probabilities has to be cut first.
        mask: the same shape, boolean, where flips are allowed; None: everywhere.

    Raises:
        ValueError: an argument is not boolean, shapes differ, or there are no pixels.

    A membrane with a gap of one pixel, of 15:

    >>> truth = np.array([[1, 1, 0, 1, 1]] * 3, bool)
    >>> proposal = truth.copy()
    >>> proposal[1, 2] = True
    >>> warping_error(truth, proposal) == 1 / 15
    True
    """
    truths, proposals, masks = _as_stacks("warping_error", truth, proposal, mask, dimensions=(2, 3))
    if truths.size == 0:
        raise ValueError(f"warping_error: arrays of shape {np.shape(truth)} have no pixels to compare")
    wrong = 0
    for k, (one, other) in enumerate(zip(truths, proposals, strict=True)):
        wrong += int(np.count_nonzero(_warped(one, other, None if masks is None else masks[k]) != other))
    return wrong / truths.size


def _warped(truth: np.ndarray, proposal: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    allowed = truth != proposal
    if mask is not None:
        allowed &= mask
    state, todo = _framed(truth), _framed(allowed)
    steps = np.array([row * state.shape[1] + column for row, column in _NEIGHBOURS])
    _compiled()(state.reshape(-1), todo.reshape(-1), steps, _SIMPLE)
    return state[1:-1, 1:-1].copy()


def _framed(binary: np.ndarray) -> np.ndarray:
    """In a frame of background, so that no neighbour lies outside; row by row in memory, whatever ``binary`` is."""
    height, width = binary.shape
    framed = np.zeros((height + 2, width + 2), bool)
    framed[1:-1, 1:-1] = binary
    return framed


@functools.cache
def _compiled() -> Callable[..., None]:
    """The loop below as machine code; Numba's compiler is only loaded when it is asked for."""
    import numba

    return numba.njit(cache=True)(_flip_simple_points)


def _flip_simple_points(state, todo, steps, simple):  # type: ignore[no-untyped-def]  # compiled
    """Flip pixels of ``state`` that are ``todo`` while some are simple; each is flipped once at most.

    A pixel can only become simple when a neighbour flips, so it waits outside the queue until then.
    """
    queue = np.flatnonzero(todo)
    waiting = todo.copy()  # in the queue
    # A ring: no pixel is in it twice.
    capacity, head, count = len(queue), 0, len(queue)
    while count:
        pixel = queue[head]
        head = (head + 1) % capacity
        count -= 1
        waiting[pixel] = False
        around = 0
        for k in range(8):
            if state[pixel + steps[k]]:
                around |= 1 << k
        if not simple[around]:
            continue
        state[pixel] = not state[pixel]
        todo[pixel] = False
        for k in range(8):
            neighbour = pixel + steps[k]
            if todo[neighbour] and not waiting[neighbour]:
                queue[(head + count) % capacity] = neighbour
                count += 1
                waiting[neighbour] = True


def _as_stacks(
    name: str, truth: np.ndarray, proposal: np.ndarray, mask: np.ndarray | None, dimensions: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """All as (N, H, W) boolean, checked."""
    arrays = {"truth": np.asarray(truth), "proposal": np.asarray(proposal)}
    if mask is not None:
        arrays["mask"] = np.asarray(mask)
    shape = arrays["truth"].shape
    if len(shape) not in dimensions:
        wanted = " or ".join("(H, W)" if n == 2 else "(N, H, W)" for n in dimensions)
        raise ValueError(f"{name}: expected {wanted}, got {shape}")
    for what, array in arrays.items():
        if array.dtype != np.bool_:
            raise ValueError(
                f"{name}: {what} must be boolean, True inside cells, got {array.dtype}; compare first, for example "
                "probability > 0.5"
            )
        if array.shape != shape:
            raise ValueError(f"{name}: truth {shape} and {what} {array.shape} must have the same shape")
    stacks = [array.reshape((-1, *shape[-2:])) if array.size else array.reshape((0, 1, 1)) for array in arrays.values()]
    return stacks[0], stacks[1], stacks[2] if mask is not None else None
