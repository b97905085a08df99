"""Module: something that computes, and knows its parameters."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from minifcn import scope, settings
from minifcn.nn.hooks import ForwardHook, ForwardPreHook, RemovableHandle
from minifcn.nn.state import IncompatibleKeys, load_into
from minifcn.tensor import Tensor

Self = TypeVar("Self", bound="Module")


class Parameter(Tensor):
    """A Tensor to be learnt: it requires grad, and a `Module` lists it once it is one of its attributes.

    ``Parameter(array)`` shares the array's memory, as ``Tensor(array)`` does, and lives on the default device.

    >>> Parameter(np.zeros(2, np.float32))
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, device: str | None = None):
        if isinstance(data, Tensor):
            data, device = data.data, device or data.device
        super().__init__(data, requires_grad, device or settings.device())


class Module:
    """The base of all layers and networks.

    A subclass sets attributes in ``__init__`` and computes in ``forward``. There is no registry: the parameters of a
    module are those of its attributes that are a `Parameter`, its children those that are a `Module`, its buffers (what
    is saved but not learnt) those named by `register_buffer`. Names are paths, such as ``encoder.0.weight``.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter(np.array([2.0]))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> scale = Scale()
    >>> scale(Tensor(np.array([3.0]))).item()
    6.0
    >>> [name for name, parameter in scale.named_parameters()]
    ['factor']
    """

    #: Whether dropout drops and batch normalisation looks at the batch; see `train` and `eval`.
    training: bool = True
    # Defaults of the class, replaced on the instance: a subclass need not call super().__init__().
    _buffers: Mapping[str, bool] = MappingProxyType({})
    _pre_hooks: tuple[RemovableHandle, ...] = ()
    _hooks: tuple[RemovableHandle, ...] = ()

    # --- computing --------------------------------------------------------------------------------------------------

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes; call the module itself, which also runs the hooks."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it computes: define forward()")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Run `forward`, with the hooks before and after it."""
        inside = scope.inside
        outer = inside.call
        inside.call = scope.Call(self, outer)
        try:
            for handle in self._pre_hooks:
                changed = handle.hook(self, inputs)
                if changed is not None:
                    inputs = changed if isinstance(changed, tuple) else (changed,)
            output = self.forward(*inputs, **options)
            for handle in self._hooks:
                changed = handle.hook(self, inputs, output)
                output = output if changed is None else changed
            return output
        finally:
            inside.call = outer

    def register_forward_pre_hook(self, hook: ForwardPreHook) -> RemovableHandle:
        """Call ``hook(module, inputs)`` before every `forward`; it may return other inputs."""
        handle = RemovableHandle(self, "_pre_hooks", hook)
        self._pre_hooks = (*self._pre_hooks, handle)
        return handle

    def register_forward_hook(self, hook: ForwardHook) -> RemovableHandle:
        """Call ``hook(module, inputs, output)`` after every `forward`; it may return another output."""
        handle = RemovableHandle(self, "_hooks", hook)
        self._hooks = (*self._hooks, handle)
        return handle

    # --- attributes -------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(vars(self).get(name), Parameter) and not (value is None or isinstance(value, Parameter)):
            raise TypeError(
                f"{type(self).__name__}.{name} is a Parameter, and cannot become a {type(value).__name__}; assign "
                f"Parameter(...), or change its values with .{name}.copy_(...) under no_grad()"
            )
        held = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        if any(isinstance(each, (Module, Parameter)) for each in held):
            raise TypeError(
                f"{type(self).__name__}.{name}: what is in a plain {type(value).__name__} would be neither trained nor "
                "saved; use ModuleList, or one attribute each"
            )
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # a type checker would take it as leave to read any attribute

        def __getattr__(self, name: str) -> Any:
            close = [] if name.startswith("__") else difflib.get_close_matches(name, dir(self), 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=self)

    def add_module(self, name: str, module: Module) -> None:
        """Set a child whose name need not be an identifier, as the "0", "1", ... of `Sequential`."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: {name!r} must be a Module, not {type(module).__name__}")
        if not name or "." in name or (name not in vars(self) and hasattr(type(self), name)):
            raise ValueError(f"{type(self).__name__}: {name!r} cannot name a module: empty, dotted or taken")
        setattr(self, name, module)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set an attribute that moves and, if ``persistent``, is saved with the module, but is not learnt."""
        self._buffers = {**self._buffers, name: persistent}
        setattr(self, name, tensor)

    # --- what it is made of -----------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct children with their names."""
        return ((name, value) for name, value in list(vars(self).items()) if isinstance(value, Module))

    def children(self) -> Iterator[Module]:
        """Direct children."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module (named ``prefix``) and all below it, parents first, each once unless told otherwise."""
        seen: set[Module] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if module not in seen:
                if remove_duplicate:
                    seen.add(module)
                yield path, module
                stack += reversed([(_join(path, name), child) for name, child in module.named_children()])

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their names, each once; a parameter's ``name`` becomes the longest it was listed under."""
        for name, parameter in _unique(self._named(_own_parameters, prefix, recurse)):
            parameter.name = max(parameter.name or "", name, key=len)
            yield name, parameter

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters, each once: what an optimiser takes."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their names, each once."""
        return _unique(self._named(_own_buffers, prefix, recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named(
        self, own: Callable[[Module], Iterable[tuple[str, Any]]], prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Any]]:
        modules = self.named_modules(prefix, remove_duplicate=False) if recurse else [(prefix, self)]
        return ((_join(path, name), value) for path, module in modules for name, value in own(module))

    # --- saving and loading -----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and persistent buffers, as NumPy arrays by name: training leaves them alone.

        >>> from minifcn import nn
        >>> {name: array.shape for name, array in nn.Conv2d(1, 8, 3).state_dict().items()}
        {'weight': (3, 3, 1, 8), 'bias': (8,)}
        """
        return {name: np.array(tensor.to("cpu").data) for name, tensor in self._named(_own_state)}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Overwrite parameters and buffers, in place, with the arrays (or Tensors) of a `state_dict`.

        Args:
            state_dict: arrays by name; they take the dtype that the module has.
            strict: names must be the same. Otherwise what is missing keeps its values, what is unexpected is left out,
                and both are returned; shapes must agree all the same.

        Raises:
            ValueError: something does not fit. It is named, and nothing has been changed.
        """
        return load_into(type(self).__name__, dict(self._named(_own_state)), state_dict, strict)

    # --- changing all of it -----------------------------------------------------------------------------------------

    def apply(self: Self, function: Callable[[Module], Any]) -> Self:
        """Call ``function`` on every module, children first; what `minifcn.nn.init` is for."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Set ``training`` here and in all modules below."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self: Self) -> Self:
        """Dropout does nothing, batch normalisation uses its running statistics."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Learn all parameters, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forget all gradients: ``grad`` becomes None."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self: Self, device: str) -> Self:
        """Move all parameters and buffers to a device, in place."""
        return self._convert(lambda tensor: tensor.to(device))

    def astype(self: Self, dtype: Any) -> Self:
        """Make all floating-point parameters and buffers another floating-point type, in place."""
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"astype: a module's parameters are floating point, and cannot become {np.dtype(dtype)}")
        return self._convert(lambda tensor: tensor.astype(dtype, copy=False) if tensor.dtype.kind == "f" else tensor)

    def fold_batch_norm(self: Self) -> Self:
        """A copy for inference, in evaluation mode, whose batch normalisation has gone into the convolutions.

        In every `Sequential`, a Conv2d or ConvTranspose2d and the BatchNorm2d right after it become one convolution,
        with the ReLU that follows; their places stay, as `Identity`. The copy gives the same outputs but for rounding,
        and shares nothing with this module, which stays as it is.

        What cannot be folded is left as it is: a norm without running statistics; a convolution with an activation of
        its own; layers that are used in two places, share parameters, have hooks, or are of a class of your own. A
        model that calls the layers of a Sequential one by one, by their index, must not be folded.

        >>> from minifcn import nn
        >>> nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).fold_batch_norm()[0]
        Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), activation='relu')
        """
        from minifcn.nn.fold import fold_batch_norm

        return fold_batch_norm(self)

    def _convert(self: Self, convert: Callable[[Tensor], Tensor]) -> Self:
        for tensor in {**dict(self.named_parameters()), **dict(self.named_buffers())}.values():
            converted = convert(tensor.detach())
            # The Tensor stays the one it was, because an optimiser may hold on to it; only its array is another.
            tensor._data, tensor.device = converted._data, converted.device
            tensor.bump_version()
            if tensor.grad is not None:
                tensor.grad = convert(tensor.grad.detach())
        return self

    # --- looking at it ----------------------------------------------------------------------------------------------

    def summary(self, input_shape: tuple[int, ...]) -> str:
        """A table of layers, output shapes, receptive fields and parameter counts, for people.

        Args:
            input_shape: (H, W, C), to which a batch of one is added, or the whole shape, such as (N, H, W, C).
        """
        from minifcn.audit.summary import summary

        return summary(self, input_shape)

    def extra_repr(self) -> str:
        """The arguments that `repr` shows."""
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): {child!r}" for name, child in self.named_children()]
        if not children:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [line for text in [self.extra_repr(), *children] if text for line in text.split("\n")]
        return "\n".join([f"{type(self).__name__}(", *("  " + line for line in lines), ")"])


def _own_parameters(module: Module) -> list[tuple[str, Parameter]]:
    return [(name, value) for name, value in vars(module).items() if isinstance(value, Parameter)]


def _own_buffers(module: Module) -> list[tuple[str, Tensor]]:
    return [(name, buffer) for name in module._buffers if (buffer := getattr(module, name)) is not None]


def _own_state(module: Module) -> list[tuple[str, Tensor]]:
    return _own_parameters(module) + [pair for pair in _own_buffers(module) if module._buffers[pair[0]]]


def _unique(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for name, value in named:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
