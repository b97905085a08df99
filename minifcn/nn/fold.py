"""Folding batch normalisation into the convolution before it, for inference.

In evaluation, batch normalisation is an affine map of every channel, with constants; a convolution followed by it is a
convolution with another weight and bias (Jacob et al. 2018, section 3.2):

    γ (w ∗ x + b − μ) / σ + β  =  (γ/σ · w) ∗ x  +  (b − μ) γ/σ + β,    σ = √(variance + eps).

It saves a pass over memory for each normalisation. The new numbers are computed in float64.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import TypeVar

import numpy as np

from minifcn.nn.activation import Identity, ReLU
from minifcn.nn.containers import Sequential
from minifcn.nn.conv import Conv2d, ConvTranspose2d
from minifcn.nn.module import Module, Parameter
from minifcn.nn.norm import BatchNorm2d
from minifcn.tensor import Tensor

AnyModule = TypeVar("AnyModule", bound=Module)


def fold_batch_norm(module: AnyModule) -> AnyModule:
    """A copy of ``module`` in evaluation mode, with batch normalisation folded away; see `Module.fold_batch_norm`."""
    folded = copy.deepcopy(module)
    folded.eval()
    uses = Counter(id(layer) for _, layer in folded.named_modules(remove_duplicate=False))
    uses.update(id(parameter) for layer in folded.modules() for parameter in layer.parameters(recurse=False))
    for block in list(folded.modules()):
        if type(block).forward is Sequential.forward:
            _fold_neighbours(block, uses)
    # Parameters of an inference network are constants.
    folded.requires_grad_(False)
    return folded


def _fold_neighbours(block: Module, uses: Counter[int]) -> None:
    """Fold each convolution of a Sequential with the norm right after it, and that with the ReLU right after it."""
    named = [(name, layer) for name, layer in block.named_children() if not _is_plain(layer, (Identity,), uses)]
    for (_, conv), (place, norm), (after, relu) in zip(named, named[1:], [*named[2:], ("", block)], strict=False):
        if not (_is_plain(conv, (Conv2d, ConvTranspose2d), uses) and _is_plain(norm, (BatchNorm2d,), uses)):
            continue
        assert isinstance(conv, (Conv2d, ConvTranspose2d))
        assert isinstance(norm, BatchNorm2d)
        if conv.activation or norm.running_mean is None or conv.out_channels != norm.num_features:
            continue
        _fold(conv, norm)
        setattr(block, place, Identity().eval())
        if _is_plain(relu, (ReLU,), uses) and norm.activation is None:
            conv.activation = "relu"
            setattr(block, after, Identity().eval())


def _is_plain(layer: Module, kinds: tuple[type[Module], ...], uses: Counter[int]) -> bool:
    """Whether it is exactly such a layer, in one place only, watched by no hook: nobody can tell what it computes.

    The same goes for its parameters: one that two layers share must keep its values.
    """
    watched = layer._hooks or layer._pre_hooks
    shared = any(uses[id(part)] > 1 for part in (layer, *layer.parameters()))
    return type(layer) in kinds and not watched and not shared


def _fold(conv: Conv2d | ConvTranspose2d, norm: BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    deviation = np.sqrt(_numbers(norm.running_var, 1.0) + norm.eps)
    scale = _numbers(norm.weight, 1.0) / deviation
    bias = (_numbers(conv.bias, 0.0) - _numbers(norm.running_mean, 0.0)) * scale + _numbers(norm.bias, 0.0)
    if isinstance(conv, ConvTranspose2d):  # (kh, kw, C_out / groups, C_in): its last axis holds groups of inputs
        by_group = scale.reshape(conv.groups, -1)
        factor = np.repeat(by_group, conv.in_channels // conv.groups, axis=0).T
    else:
        factor = scale
    conv.weight = _like(conv.weight, _numbers(conv.weight, 1.0) * factor)
    conv.bias = _like(conv.weight, bias)
    conv.activation = norm.activation


def _numbers(tensor: Tensor | None, default: float) -> np.ndarray:
    """In float64; of what is left out, the number that does nothing."""
    return np.asarray(default if tensor is None else tensor.to("cpu").data, np.float64)


def _like(parameter: Parameter, values: np.ndarray) -> Parameter:
    return Parameter(Tensor(values.astype(parameter.dtype)).to(parameter.device), requires_grad=False)
