"""Which image sizes a network takes, in words, found by asking it for one after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def sizes_in_words(output_length: Callable[[int], int], limit: int = 1024) -> str:
    """The lengths n for which ``output_length(n)`` is not 0, as far as they show up to ``limit``.

    >>> from minifcn.models import UNet
    >>> sizes_in_words(UNet(1, 2, base=1).output_length)
    'multiples of 16'
    >>> sizes_in_words(UNet(1, 2, base=1, padding="valid").output_length)
    '16 k + 12 from 188'
    >>> sizes_in_words(lambda n: n // 2), sizes_in_words(lambda n: int(n == 95))
    ('any from 2', 'only 95')
    """
    legal = np.array([bool(output_length(n)) for n in range(1, limit + 1)])
    lengths = np.flatnonzero(legal) + 1
    if len(lengths) == 0:
        return f"none up to {limit}"
    period, onset = _periodic(legal)
    repeated = lengths[lengths >= onset]
    if len(repeated) == 0:
        return f"only {_listed(lengths)}"
    before = lengths[lengths < onset]
    words = _progression(period, repeated)
    return f"{_listed(before)}; {words}" if len(before) else words


def _periodic(legal: np.ndarray) -> tuple[int, int]:
    """The smallest period of what comes after the smallest length possible, which may be half of all at most."""
    half = len(legal) // 2
    for period in range(1, half // 2 + 1):
        broken = np.flatnonzero(legal[:-period] != legal[period:])
        onset = int(broken[-1]) + 1 if len(broken) else 0
        if onset <= half:
            return period, onset + 1
    return 1, len(legal) + 1


def _progression(period: int, lengths: np.ndarray) -> str:
    first = int(lengths[0])
    if period == 1:
        return "any" if first == 1 else f"any from {first}"
    remainders = [int(n) % period for n in lengths[lengths < first + period]]
    if remainders == [0]:
        return f"multiples of {period}" + ("" if first == period else f" from {first}")
    return f"{period} k + {' or '.join(map(str, sorted(remainders)))}" + ("" if first < period else f" from {first}")


def _listed(lengths: np.ndarray) -> str:
    """The first few."""
    return ", ".join(map(str, lengths[:8].tolist())) + (", ..." if len(lengths) > 8 else "")
