"""Every device provides exactly the contract's kernels, with the contract's parameters."""

import inspect

import pytest

from minifcn import kernels
from minifcn.kernels import contract, meta


@pytest.fixture(params=[*kernels.DEVICES, "meta"])  # which stands in for a device, and is none
def device(request):
    if request.param == "meta":
        return meta
    if request.param in ("reference", "cpu"):
        return kernels.load(request.param)  # always there: here an ImportError is a failure
    return pytest.importorskip(kernels.DEVICES[request.param], exc_type=ImportError)


def test_device_provides_the_contracts_names(device):
    assert sorted(device.__all__) == sorted(contract.NAMES)


@pytest.mark.parametrize("name", contract.NAMES)
def test_kernel_has_the_contracts_parameters(device, name):
    expected = list(inspect.signature(getattr(contract.Kernels, name)).parameters)[1:]  # without self
    assert list(inspect.signature(getattr(device, name)).parameters) == expected


@pytest.mark.parametrize("name", contract.NAMES)
def test_kernel_is_documented(device, name):
    assert inspect.getdoc(getattr(device, name))


def test_load_is_by_name():
    assert kernels.load("cpu") is kernels.load("cpu")
    with pytest.raises(ValueError, match=f"unknown device 'gpu'; devices: {', '.join(kernels.DEVICES)}"):
        kernels.load("gpu")
