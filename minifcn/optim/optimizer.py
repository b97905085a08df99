"""Optimizer: parameters in groups, what is remembered about each, and one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from minifcn import memory
from minifcn.kernels import load, place
from minifcn.tensor import Tensor

Params = Iterable[Tensor] | Iterable[dict[str, Any]]
State = dict[str, Any]


class Entry(NamedTuple):
    """What `Optimizer.update` gets of a parameter: two arrays, and what is remembered (empty at first)."""

    parameter: Any
    gradient: Any
    state: State


class Optimizer:
    """The base of all optimisers.

    A subclass checks a group's options in `check` and updates parameters, in place, in `update`.

    Args:
        params: parameters; or dictionaries, each a group with its own options:
            ``[{"params": net.encoder.parameters(), "lr": 1e-4}, {"params": net.head.parameters()}]``.
        defaults: options for groups that do not set their own.

    Attributes:
        param_groups: the groups, dictionaries of ``params`` and options; changing ``group["lr"]`` takes effect at once.
        state: for each parameter that has been updated, arrays and numbers by name.
    """

    def __init__(self, params: Params, defaults: dict[str, Any]):
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, State] = {}
        name = type(self).__name__
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(f"{name}: params must be several Tensors, such as model.parameters(), not {_kind(params)}")
        groups = list(params)
        if not groups:
            raise ValueError(f"{name}: there are no parameters to optimise")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)  # type: ignore[arg-type]  # checked there

    # --- for subclasses ---------------------------------------------------------------------------------------------

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError if an option of the group is impossible."""

    def update(self, kernels: ModuleType, entries: list[Entry], group: dict[str, Any]) -> None:
        """Change the parameters and states of all ``entries`` in place; they are of one group and on one device."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    # --- for users --------------------------------------------------------------------------------------------------

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Optimise more parameters: ``{"params": [...], "lr": ...}``.

        Raises:
            TypeError: the parameters are not Tensors.
            ValueError: there are none, one is not a leaf or is there already, or an option is unknown or impossible.
        """
        name = type(self).__name__
        params = _listed(name, group)
        unknown = set(group) - set(self.defaults) - {"params", "initial_lr"}
        if unknown:
            raise ValueError(f"{name}: unknown option {min(unknown)!r} in a group; options: {', '.join(self.defaults)}")
        seen = {id(parameter) for other in self.param_groups for parameter in other["params"]}
        for parameter in params:
            if id(parameter) in seen:
                raise ValueError(f"{name}: {_called(parameter)} of shape {parameter.shape} is given twice")
            seen.add(id(parameter))
        group = {**self.defaults, **group, "params": params}
        self.check(group)
        self.param_groups.append(group)

    def zero_grad(self) -> None:
        """Forget all gradients: ``grad`` becomes None."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            devices: dict[str, list[Entry]] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                array, gradient = parameter.data, parameter.grad.data
                if array.shape != gradient.shape or array.dtype != gradient.dtype:
                    raise ValueError(
                        f"{type(self).__name__}: {_called(parameter)} is {array.dtype} of shape {array.shape}, "
                        f"its gradient {gradient.dtype} of shape {gradient.shape}"
                    )
                state = self.state.setdefault(parameter, {})
                for key, value in state.items():
                    if not isinstance(value, (int, float, type(array))):  # the parameter has moved to another device
                        state[key] = place(value.to_host() if hasattr(value, "to_host") else value, parameter.device)
                entry = Entry(array, gradient, state)
                devices.setdefault(parameter.device, []).append(entry)
                parameter.bump_version()
            for device, entries in devices.items():
                self.update(load(device), entries, group)

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs, ready to be saved: arrays (copies), and numbers that JSON knows.

        ``{"state": {index: {name: array or int}}, "param_groups": [{"params": [index, ...], "lr": ..., ...}]}``, the
        parameters being counted through all groups in order.
        """
        params = [parameter for group in self.param_groups for parameter in group["params"]]
        index = {id(parameter): position for position, parameter in enumerate(params)}
        return {
            "state": {index[id(p)]: _to_host(s, p.device) for p, s in self.state.items()},
            "param_groups": [{**g, "params": [index[id(p)] for p in g["params"]]} for g in self.param_groups],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of an optimiser with the same groups of parameters.

        Indices may be strings and tuples lists, as JSON makes them.

        Raises:
            ValueError: groups, options or shapes are not the same. Nothing has been changed then.
        """
        name, groups = type(self).__name__, list(state_dict["param_groups"])
        own, given = ([len(group["params"]) for group in gs] for gs in (self.param_groups, groups))
        if own != given:
            raise ValueError(f"{name}.load_state_dict: groups of {given} parameters do not fit into groups of {own}")
        loaded = [{**new, "params": old["params"]} for old, new in zip(self.param_groups, groups, strict=True)]
        for group in loaded:
            lacking = set(self.defaults) - set(group)
            if lacking:
                raise ValueError(f"{name}.load_state_dict: a group lacks {min(lacking)!r}; is it another optimiser's?")
            self.check(group)
        params = [parameter for group in self.param_groups for parameter in group["params"]]
        state = {params[int(i)]: dict(s) for i, s in state_dict["state"].items()}
        for parameter, values in state.items():
            for key, value in values.items():
                if isinstance(value, np.ndarray) and value.shape != parameter.shape:
                    raise ValueError(
                        f"{name}.load_state_dict: {key} of {_called(parameter)} must have shape {parameter.shape}, got "
                        f"{value.shape}"
                    )
        self.param_groups = loaded
        self.state = {p: {k: _placed(v, p.device) for k, v in s.items()} for p, s in state.items()}

    def __repr__(self) -> str:
        groups = ["{" + ", ".join(f"{k}: {_short(v)}" for k, v in g.items()) + "}" for g in self.param_groups]
        return f"{type(self).__name__}({', '.join(groups)})"


def gathered(entries: Iterable[Entry], option: str) -> list[Any]:
    """What each entry's state holds under a name, such as all momentum buffers."""
    return [entry.state[option] for entry in entries]


def apart(entries: Iterable[Entry], key: Callable[[Entry], Any]) -> Iterable[tuple[Any, list[Entry]]]:
    """Entries in lists of one key each, such as all that have been updated as often."""
    lists: dict[Any, list[Entry]] = {}
    for entry in entries:
        lists.setdefault(key(entry), []).append(entry)
    return lists.items()


def check_range(name: str, group: Mapping[str, Any], option: str, low: float, high: float = float("inf")) -> None:
    """Raise ValueError unless low <= option < high for the option, or for each number in it."""
    values = group[option] if isinstance(group[option], (tuple, list)) else (group[option],)
    if not all(low <= value < high for value in values):
        bounds = f"at least {low:g}" if high == float("inf") else f"in [{low:g}, {high:g})"
        raise ValueError(f"{name}: {option} must be {bounds} and finite, got {group[option]!r}")


def _listed(name: str, group: dict[str, Any]) -> list[Tensor]:
    if not isinstance(group, dict) or "params" not in group:
        raise TypeError(f"{name}: a group of parameters is a dictionary with 'params', not {_kind(group)}")
    params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
    if not params:
        raise ValueError(f"{name}: there are no parameters to optimise")
    for parameter in params:
        if not isinstance(parameter, Tensor):
            raise TypeError(f"{name}: params must be Tensors, such as model.parameters(), not {_kind(parameter)}")
        if not parameter.is_leaf or parameter.dtype.kind != "f":
            raise ValueError(
                f"{name}: {_called(parameter)} of shape {parameter.shape} is the result of an operation, or not "
                "floating point; only floating-point leaves of the graph can be optimised"
            )
    return params


def _called(parameter: Tensor) -> str:
    return "a parameter" if parameter.name is None else f"parameter {parameter.name}"


def _kind(value: object) -> str:
    return "one Tensor" if isinstance(value, Tensor) else type(value).__name__


def _to_host(state: State, device: str) -> State:
    """A copy of what is remembered of a parameter, its arrays NumPy's."""
    kernels = load(device)
    return {k: v if isinstance(v, (int, float)) else memory.copy(kernels.to_host(v)) for k, v in state.items()}


def _placed(value: Any, device: str) -> Any:
    """A copy of an array on a device; a number is one everywhere."""
    return place(memory.copy(value), device) if isinstance(value, np.ndarray) else value


def _short(value: Any) -> str:
    is_params = isinstance(value, list) and value and isinstance(value[0], Tensor)
    return f"{len(value)} Tensors" if is_params else repr(value)
