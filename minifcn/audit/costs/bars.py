"""Bars for layers: as many as can be read."""

from __future__ import annotations

from collections.abc import Iterable

#: Bars that a figure has room for.
MOST = 40


def groups(paths: Iterable[str]) -> dict[str, str]:
    """Which bar shows each layer: its own, or, where there are many, that of the longest beginnings that are few.

    >>> groups(["encoder.0", "encoder.1", ""])
    {'encoder.0': 'encoder.0', 'encoder.1': 'encoder.1', '': '(itself)'}
    >>> set(groups([f"{level}.{layer}" for level in "ab" for layer in range(50)]).values()) == {"a", "b"}
    True
    """
    paths = list(paths)
    found: dict[str, str] = {}
    for depth in range(max((path.count(".") + 1 for path in paths), default=1), 0, -1):
        found = {path: ".".join(path.split(".")[:depth]) or "(itself)" for path in paths}
        if len(set(found.values())) <= MOST:
            break
    return found
