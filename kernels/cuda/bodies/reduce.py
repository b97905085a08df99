"""How two numbers become one in a reduction."""

# mypy: disable-error-code="no-untyped-def"


def total(a, b):
    """The sum."""
    return a + b


def larger(a, b):
    """The larger; NaN if either is."""
    return a if a >= b or a != a else b


def smaller(a, b):
    """The smaller; NaN if either is."""
    return a if a <= b or a != a else b


def is_first_largest(value, best):
    """Whether a later ``value`` takes the place of the ``best`` so far; the first NaN counts as largest."""
    return value > best or (value != value and best == best)
