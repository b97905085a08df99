"""The GPU check's formulas in float64, against the definition, on its own calls."""

import numpy as np
import pytest

from minifcn import kernels
from minifcn.benchmarks.gpu import oracle, places
from minifcn.benchmarks.gpu.correctness import FAMILIES, Draw
from minifcn.kernels.contract import NAMES

CALLS = [call for family in FAMILIES.values() for call in family(Draw("float64"), tiny=True)]


def test_every_kernel_that_computes_is_called() -> None:
    assert {call.kernel for call in CALLS} == set(NAMES) - {"from_host", "to_host", "full", "uniform"}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.kernel} {call.label}")
def test_formula_is_the_definition(call) -> None:
    found = []
    for function in (oracle.find(call.kernel), getattr(kernels.load("reference"), call.kernel)):
        arguments = tuple(map(places.to_float64, call.arguments))
        found.append(places.results(function(*arguments), arguments, call.updated))
    for actual, wanted in zip(*found, strict=True):
        assert places.error(actual, wanted) < (1e-6 if call.label == "to float32" else 1e-13)


def test_error_is_relative_to_all_elements_and_infinite_where_only_one_is_nan() -> None:
    wanted = np.array([3.0, 4.0])
    assert places.error(np.array([3.0, 4.5]), wanted) == pytest.approx(0.1)
    assert places.error(np.array([3.0, np.nan]), wanted) == np.inf
    assert places.error(np.array([np.nan, 4.0]), np.array([np.nan, 4.0])) == 0.0
    assert places.error(np.zeros(3), wanted) == np.inf
