"""One step of an optimiser, for one number of a parameter; numbers are all of one type."""

import math

# mypy: disable-error-code="no-untyped-def"


def sgd(p, g, v, lr, momentum, weight_decay, nesterov, first):
    """Stochastic gradient descent with momentum: the new p and v.

    g = g + weight_decay·p; v = g if ``first`` else momentum·v + g; p −= lr · (g + momentum·v if nesterov else v).

    >>> sgd(1.0, 2.0, 4.0, 0.5, 0.5, 0.0, 0, 0)
    (-1.0, 4.0)
    """
    g = g + weight_decay * p
    v = g if first != 0 else momentum * v + g
    step = g + momentum * v if nesterov != 0 else v
    return p - lr * step, v


def adam(p, g, m, v, lr, beta1, rest1, beta2, rest2, bias1, bias2, eps, decay, shrink):
    """Adam: the new p, m and v. ``rest`` is 1 − β, ``bias`` 1 − β^t.

    Weight decay is either ``decay``, g += decay·p, or ``shrink``, p *= shrink, which is 1 if there is none.

    >>> adam(1.0, 8.0, 0.0, 0.0, 0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 1.0)
    (0.75, 4.0, 32.0)
    """
    p = p * shrink
    g = g + decay * p
    m = beta1 * m + rest1 * g
    v = beta2 * v + rest2 * g * g
    return p - lr * (m / bias1) / (math.sqrt(v / bias2) + eps), m, v


def rmsprop(p, g, v, velocity, lr, alpha, rest, eps, weight_decay, momentum):
    """RMSprop: the new p, v and velocity; ``rest`` is 1 − α. Without a velocity, momentum and velocity are 0.

    >>> rmsprop(1.0, 2.0, 4.0, 0.0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0)
    (0.5, 4.0, 1.0)
    """
    g = g + weight_decay * p
    v = alpha * v + rest * g * g
    velocity = momentum * velocity + g / (math.sqrt(v) + eps)
    return p - lr * velocity, v, velocity
