"""Cases with fresh random data."""

from __future__ import annotations

import numpy as np

import minifcn as mf
from minifcn.benchmarks import networks
from minifcn.benchmarks.cases import ConvCase, NetworkCase
from minifcn.benchmarks.peers import Task
from minifcn.benchmarks.truth import Inputs


def conv_task(case: ConvCase, rng: np.random.Generator) -> Task:
    """A convolution with random image, weight and gradient."""
    return Task(case, inputs=Inputs(case, rng))


def network_task(case: NetworkCase, rng: np.random.Generator, compiled: bool = True) -> Task:
    """A network with its initial weights, random images and labels; in evaluation, statistics are not 0 and 1."""
    mf.manual_seed(int(rng.integers(2**31)))
    model = networks.build(case)
    weights = {name: np.array(array) for name, array in model.state_dict().items()}
    shape = (case.batch, case.size, case.size)
    rows, columns = model.output_size(case.size, case.size)
    if case.mode == "forward":
        for name, array in weights.items():
            if name.endswith("running_mean"):
                array[:] = 0.1 * rng.standard_normal(array.shape)
            elif name.endswith("running_var"):
                array[:] = rng.uniform(0.8, 1.2, array.shape)
    return Task(
        case,
        images=rng.standard_normal((*shape, 1), np.float32),
        labels=rng.integers(0, 2, (case.batch, rows, columns)),
        weights=weights,
        compiled=compiled,
    )
