"""The largest of a window, one pixel after the other."""

# mypy: disable-error-code="no-untyped-def"


def first_largest(best, where, value, place):
    """The largest so far and its place, after one more pixel; ``where`` < 0 says that there was none before.

    The first of equals stays, and NaN counts as largest.

    >>> first_largest(2.0, 0, 5.0, 7), first_largest(5.0, 7, 5.0, 8), first_largest(float("nan"), 7, 5.0, 8)
    ((5.0, 7), (5.0, 7), (nan, 7))
    """
    # Without branches, so that a compiler may read the pixels of a whole window before it compares the first.
    larger = (where < 0) | (value > best) | ((value != value) & (best == best))
    return (value if larger else best), (place if larger else where)
