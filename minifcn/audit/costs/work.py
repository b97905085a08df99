"""What each kernel of the contract has to do: multiplications, and bytes that must be moved at least.

Counted by the definitions in `minifcn.kernels.contract`. Multiplications and divisions count as one; additions,
comparisons and functions such as e^x as none, because where they matter, memory takes longer. Taps that lie on padding
count, as is usual. Bytes are those of all arrays that go in and come out, each once: what caches cannot spare.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from minifcn.audit.costs.rehearsal import Call, Spec
from minifcn.kernels.shapes import Pair


class Work(NamedTuple):
    """Of one call.

    Attributes:
        multiplications: by the definition.
        used: those that the algorithm takes: fewer by Winograd's.
        algorithm: which of the machine's limits applies: "direct", "winograd" or "matmul".
        bytes: read and written.
    """

    multiplications: int
    used: int
    algorithm: str
    bytes: int


def work_of(call: Call) -> Work:
    """What a call has to do.

    Raises:
        KeyError: there is no such kernel.

    >>> import numpy as np
    >>> image = Spec((1, 28, 28, 8), np.dtype(np.float32))
    >>> work_of(Call("relu", "", False, {"x": image}, (image,))).bytes
    50176
    """
    count = COSTS[call.kernel]
    if isinstance(count, int):  # so many for each element of the (first) result
        multiplications = count * _size(call.results[0])
        return Work(multiplications, multiplications, "direct", _traffic(call))
    return count(call)


def _traffic(call: Call) -> int:
    return sum(spec.bytes for spec in [*_specs(call.arguments.values()), *call.results])


def _specs(values: Any) -> list[Spec]:
    """All arrays among arguments, also those in lists of them."""
    found: list[Spec] = []
    for value in values:
        if isinstance(value, Spec):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += _specs(value)
    return found


def _size(spec: Spec) -> int:
    return math.prod(spec.shape)


def _pixels(spec: Spec) -> int:
    return math.prod(spec.shape[:3])


# --- convolution -----------------------------------------------------------------------------------------------------


def _conv2d(call: Call) -> Work:
    """N P Q kh kw (C / g) K: every output pixel meets every number of the weight once."""
    (result,), x = call.results, call.arguments["x"]
    return _convolution(call, _pixels(result), call.arguments["weight"], x.shape[3], result.shape)


def _conv_transpose2d(call: Call) -> Work:
    """N P Q kh kw (C / g) K, P x Q being the size of the map that goes in."""
    (result,), y = call.results, call.arguments["y"]
    return _convolution(call, _pixels(y), call.arguments["weight"], y.shape[3], result.shape)


def _conv2d_weight(call: Call) -> Work:
    """The same number: the sum is over pixels instead of over channels."""
    (weight,), y = call.results, call.arguments["y"]
    return _convolution(call, _pixels(y), weight, call.arguments["x"].shape[3] // call.arguments["groups"], y.shape)


def _convolution(call: Call, pixels: int, weight: Spec, channels: int, tiled: tuple[int, ...]) -> Work:
    """``tiled`` is the shape of the map that Winograd's algorithm cuts into tiles of 4 x 4."""
    from minifcn.kernels.cpu.conv import choose  # brings Numba

    multiplications, used = pixels * _size(weight), pixels * _size(weight)
    algorithm = choose(call.arguments["window"], call.arguments["groups"], channels)
    if algorithm == "winograd":
        used = winograd_multiplications(tiled[0], (tiled[1], tiled[2]), weight.shape[2] * weight.shape[3])
    return Work(multiplications, used, algorithm, _traffic(call))


def winograd_multiplications(images: int, size: Pair, pairs: int) -> int:
    """Of F(4 x 4, 3 x 3): 36 for each tile of 4 x 4 results and each pair of channels; its transforms are not counted.

    >>> winograd_multiplications(1, (4, 8), 1), 4 * 8 * 9
    (72, 288)
    """
    return 36 * images * -(size[0] // -4) * -(size[1] // -4) * pairs


# --- the rest --------------------------------------------------------------------------------------------------------


def _matmul(call: Call) -> Work:
    count = _size(call.results[0]) * call.arguments["a"].shape[-1]
    return Work(count, count, "matmul", _traffic(call))


def _index(call: Call) -> Work:
    """A view moves nothing; picking elements reads and writes those that are picked."""
    key = call.arguments["key"]
    keys = key if isinstance(key, tuple) else (key,)
    view = not any(isinstance(k, (Spec, list)) for k in keys)
    return Work(0, 0, "direct", 0 if view else 2 * call.results[0].bytes + sum(k.bytes for k in _specs(keys)))


def _resample2d(call: Call) -> Work:
    """Each output is a sum over its entries of both matrices."""
    x, rows, columns = call.arguments["x"], call.arguments["rows"], call.arguments["columns"]
    entries = _length(rows.weight) * _length(columns.weight)
    count = x.shape[0] * x.shape[3] * entries
    return Work(count, count, "direct", call.results[0].bytes + x.bytes)


def _length(array: Any) -> int:
    return int(array.shape[0])


def _cross_entropy(call: Call) -> Work:
    count = _length(call.arguments["logits"])
    return Work(count, count, "direct", _traffic(call))


def _moments(call: Call) -> Work:
    """A square for each number of the map."""
    count = _size(call.arguments["x"])
    return Work(count, count, "direct", _traffic(call))


def _batch_norm_gradient(call: Call) -> Work:
    """g·x̂ and x̂, and in training x̂·gw and the factor, for each number of the map; without, only the factor."""
    count = _size(call.arguments["x"]) * (4 if call.arguments["training"] else 3)
    return Work(count, count, "direct", _traffic(call))


def _step(count: int, *written: str) -> Callable[[Call], Work]:
    """An optimiser's: ``count`` for each parameter; what it updates is read and written."""

    def step(call: Call) -> Work:
        multiplications = count * sum(_size(spec) for spec in call.arguments["parameters"])
        again = sum(spec.bytes for name in written for spec in call.arguments[name] or ())
        return Work(multiplications, multiplications, "direct", _traffic(call) + again)

    return step


def _of_all(call: Call) -> Work:
    """One for each number of all arrays."""
    count = sum(_size(spec) for spec in call.arguments["arrays"])
    return Work(count, count, "direct", _traffic(call))


#: A function of the call, or multiplications for each element of the result, for every kernel.
COSTS: Mapping[str, int | Callable[[Call], Work]] = {
    **dict.fromkeys(("add", "subtract", "negative", "absolute", "sign", "maximum", "minimum", "where"), 0),
    **dict.fromkeys(("exp", "log", "tanh", "softplus", "relu", "greater", "greater_equal", "equal"), 0),
    **dict.fromkeys(("multiply", "divide", "power", "sqrt", "sigmoid", "leaky_relu", "scale_by_sign"), 1),
    **dict.fromkeys(("sum", "max", "min", "argmax"), 0),
    **dict.fromkeys(("cast", "broadcast_to", "index_add", "concatenate", "pad"), 0),
    **dict.fromkeys(("max_pool2d", "gather2d", "max_unpool2d"), 0),
    # Room, and vectors of channels.
    **dict.fromkeys(("from_host", "to_host", "full", "uniform", "running_statistics"), 0),
    "squared_norm": _of_all,
    "scale_all": _of_all,
    "index": _index,
    "matmul": _matmul,
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "conv2d_weight": _conv2d_weight,
    "resample2d": _resample2d,
    "moments": _moments,
    "batch_norm": 2,
    "batch_norm_gradient": _batch_norm_gradient,
    "softmax": 1,
    "log_softmax": 0,
    "cross_entropy": _cross_entropy,
    "cross_entropy_gradient": 2,
    "sgd_step": _step(3, "parameters", "velocities"),
    "adam_step": _step(9, "parameters", "first_moments", "second_moments"),
    "rmsprop_step": _step(6, "parameters", "square_averages", "velocities"),
}
