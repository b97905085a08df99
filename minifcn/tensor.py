"""Tensor: an array, its gradient, and the operation that made it."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minifcn import operators
from minifcn.kernels import load, place
from minifcn.sharing import interface_of

if TYPE_CHECKING:
    from minifcn.autograd import Node, Operation
    from minifcn.graph import Explanation, Graph


class Tensor(operators.Operators):
    """An n-dimensional array that remembers how it was computed.

    It is a NumPy array where it can be (``shape``, ``reshape``, ``sum(axis=...)``, indexing) and follows PyTorch where
    it differentiates (``requires_grad``, ``grad``, ``backward``, ``detach``). ``Tensor(array)`` shares the array's
    memory; `minifcn.tensor` copies. Images are ``(N, H, W, C)``.

    Args:
        data: an array of floats, integers or booleans.
        requires_grad: whether gradients with respect to this tensor are wanted.
        device: where the array lives; see `minifcn.kernels.DEVICES`.

    >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.], dtype=float64)
    """

    __slots__ = ("__weakref__", "_data", "_hooks", "_name", "_requires_grad", "_version", "device", "grad", "operation")

    # NumPy must not take over `array * tensor`.
    __array_ufunc__ = None

    def __init__(self, data: Any, requires_grad: bool = False, device: str = "cpu"):
        self._data: Any = place(data, device)
        if self._data.dtype.kind not in "fiub":
            raise TypeError(f"a Tensor holds floats, integers or booleans, not {self._data.dtype}")
        self._version = [0, 0]  # changes in place, and whether the array was handed out; shared by views
        self._hooks: tuple[Callable[[Tensor], Tensor | None], ...] = ()
        self.device = device
        #: The gradient that `backward` accumulated (leaves only), or None.
        self.grad: Tensor | None = None
        #: The operation that made this tensor, if it is part of a graph.
        self.operation: Operation | None = None
        self._name: str | None = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    # --- the array --------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The array itself. What is written into it is not recorded."""
        self._version[1] = 1
        return self._data

    @data.setter
    def data(self, array: Any) -> None:
        array = place(array.data if isinstance(array, Tensor) else array, self.device)
        if array.shape != self._data.shape:
            raise ValueError(f"data: the new array has shape {array.shape}, the tensor {self.shape}; they must agree")
        self._data = array.astype(self.dtype, copy=False)
        self.bump_version()

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        shape: tuple[int, ...] = self._data.shape
        return shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return int(self._data.ndim)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self._data.size)

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements, as NumPy's."""
        return self._data.dtype

    @property
    def is_on_host(self) -> bool:
        """Whether the array is NumPy's, so that looking at its values costs nothing."""
        return isinstance(self._data, np.ndarray)

    @classmethod
    def number(cls, value: float, dtype: Any, device: str) -> Tensor:
        """A Python number beside tensors of ``device``. It stays on the host: kernels take it as an argument."""
        tensor = cls(np.asarray(value, dtype))
        tensor.device = device
        return tensor

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array that shares memory; read-only while the tensor requires grad."""
        if not self.is_on_host:
            raise TypeError(
                f"numpy: the tensor, shape {self.shape}, is on {self.device!r}, and NumPy cannot read it there; copy "
                'it with .to("cpu").numpy()'
            )
        view: np.ndarray = self.data.view()
        if self.requires_grad:
            view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""
        if self.size != 1:
            raise ValueError(
                f"item: the tensor has {self.size} elements, shape {self.shape}; only one can become a number"
            )
        return self._data.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is ambiguous; compare and reduce it first")
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __repr__(self) -> str:
        values = load(self.device).to_host(self._data)
        digits = np.array2string(values, separator=", ", prefix="tensor(")
        notes = []
        if self.dtype not in (np.float32, np.int64, np.bool_):
            notes.append(f"dtype={self.dtype}")
        if self.operation is not None:
            notes.append(f"operation={type(self.operation).__name__}")
        elif self.requires_grad:
            notes.append("requires_grad=True")
        if self.device != "cpu":
            notes.append(f"device={self.device!r}")
        return f"tensor({', '.join([digits, *notes])})"

    # Tensors are compared by value with ==, but are dictionary keys by identity.
    __hash__ = object.__hash__

    # --- for other libraries, which share the memory ------------------------------------------------------------------

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self._data.__dlpack_device__()
        return device

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError(_NOT_WITH_GRAD.format("from_dlpack", self.shape))
        return self.data.__dlpack__(**options)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        if not self.is_on_host:
            raise AttributeError(f"a tensor on {self.device!r} has no __array_interface__")
        return interface_of(self.numpy())

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.is_on_host:
            raise AttributeError(f"a tensor on {self.device!r} has no __cuda_array_interface__")
        if self.requires_grad:
            raise RuntimeError(_NOT_WITH_GRAD.format("__cuda_array_interface__", self.shape))
        interface: dict[str, Any] = self.data.__cuda_array_interface__
        return interface

    # --- the graph --------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to this tensor are wanted."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors can require grad, and this one is {self.dtype}")
        if not value and self.operation is not None:
            raise RuntimeError("requires_grad can only be turned off on leaves; use .detach()")
        self._requires_grad = bool(value)

    def requires_grad_(self, value: bool = True) -> Tensor:
        """Set ``requires_grad`` in place."""
        self.requires_grad = value
        return self

    @property
    def name(self) -> str | None:
        """A name for error messages and drawings, such as ``encoder.0.weight``; of a result, its operation has it."""
        return self._name if self.operation is None else self.operation.name

    @name.setter
    def name(self, name: str | None) -> None:
        if not (name is None or isinstance(name, str)):
            raise TypeError(f"name: a tensor's name is a string, not a {type(name).__name__}")
        if self.operation is None:
            self._name = name
        else:
            self.operation.name = name

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self.operation is None

    @property
    def source(self) -> Node:
        """The graph's node for this tensor: the operation that made it, or the tensor itself if it is a leaf."""
        return self if self.operation is None else self.operation

    def set_operation(self, operation: Operation) -> None:
        """Make this tensor the output of a recorded operation."""
        self.operation = operation
        self._requires_grad = True

    @property
    def version(self) -> int:
        """How many times the memory was changed in place, through this tensor or a view of it."""
        return self._version[0]

    @property
    def is_untouched(self) -> bool:
        """Whether the memory holds what its operation computed, for certain: nobody changed it, or was given it."""
        return self._version == [0, 0]

    def bump_version(self) -> None:
        """Count a change in place; for code that writes into ``data``."""
        self._version[0] += 1

    def share_version(self, other: Tensor) -> None:
        """Count changes together with a tensor that shares memory."""
        self._version = other._version

    def shell(self) -> Tensor:
        """This tensor's place in the graph and version counter, without its array."""
        shell = Tensor(_NOTHING)
        shell.device = self.device
        shell._version, shell.operation, shell._requires_grad = self._version, self.operation, self._requires_grad
        return shell

    def backward(
        self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False, explain: bool = False
    ) -> Explanation | None:
        """Add to the ``grad`` of every leaf behind this tensor the derivative of this tensor with respect to it.

        Args:
            gradient: the derivative of the final quantity with respect to this tensor, of this tensor's shape; a scalar
                does not need one.
            retain_graph: keep what the graph saved, so that backward can be called again.
            create_graph: record the backward pass itself, so that gradients can be differentiated; implies
                ``retain_graph``.
            explain: return every step of the walk: the gradient that arrives at an operation, its local gradients, and
                what it sends on.

        Raises:
            RuntimeError: the tensor is not a scalar and ``gradient`` is missing; nothing behind it requires grad; the
                graph was already freed; an array it saved was changed in place.

        >>> x = Tensor(np.array(3.0), requires_grad=True)
        >>> (x * x).backward()
        >>> x.grad.item()
        6.0
        """
        if explain:
            from minifcn.graph import explained

            return explained(self, gradient, retain_graph, create_graph)
        autograd.backward(self, gradient, retain_graph, create_graph)
        return None

    def graph(self, depth: int | None = None, gradient: Any = None) -> Graph:
        """The recorded operations behind this tensor as a drawing: names, shapes and the sizes of gradients.

        A notebook shows it; ``graph.save("graph.svg")`` writes it, ``graph.dot()`` is for Graphviz. Inputs whose
        gradient nobody wants, such as images, are not drawn. Gradients are those without hooks. Modules have names as
        long as they exist: keep the network, not only its output.

        Args:
            depth: fold every module inside so many others into one box: 0 folds whole networks; from the deepest module
                on, everything is unfolded. None unfolds as much as stays readable (outside modules, everything).
            gradient: the derivative of the final quantity with respect to this tensor, from which gradients are
                computed. A scalar does not need one; gradients of another tensor are left out without it. No ``grad``
                changes.

        Raises:
            ValueError: nothing was recorded.
            RuntimeError: the graph was already freed; draw before ``backward``, or with ``retain_graph=True``.

        >>> x = Tensor(np.array(3.0), requires_grad=True)
        >>> x.name = "x"
        >>> print((x * x).graph())
        x         ()  = 3  ∂ = 6
        multiply  ()  = 9  ∂ = 1  <- x, x
        """
        from minifcn.graph import draw

        return draw(self, depth, gradient)

    def detach(self) -> Tensor:
        """The same array, outside the graph."""
        detached = Tensor(self._data, device=self.device)
        detached.share_version(self)
        return detached

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(gradient)`` whenever the gradient of this tensor has been computed; it may return another one.

        >>> x = Tensor(np.array(1.0), requires_grad=True)
        >>> handle = x.register_hook(lambda gradient: 10 * gradient)
        >>> (2 * x).backward()
        >>> x.grad.item()
        20.0
        """
        if not self.requires_grad:
            raise RuntimeError(
                f"register_hook: the tensor, shape {self.shape}, does not require grad, so it never has a gradient; "
                "set requires_grad before it is used"
            )
        node, own = self.source, functools.partial(hook)  # its own: removing it leaves another of the same function
        node._hooks = (*node._hooks, own)
        return RemovableHandle(node, own)

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor in ``grad`` although it is not a leaf."""
        if not self.requires_grad:
            raise RuntimeError(
                f"retain_grad: the tensor, shape {self.shape}, does not require grad, so it never has a gradient; "
                "set requires_grad before it is used"
            )
        if self.operation is not None and not any(
            isinstance(hook, _KeepGrad) and hook.tensor() is self for hook in self.operation._hooks
        ):
            self.operation._hooks = (*self.operation._hooks, _KeepGrad(self))

    # --- changes of type and place ----------------------------------------------------------------------------------

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """The same values as another dtype; without ``copy``, the tensor itself if it already has that dtype."""
        return self if not copy and self.dtype == dtype else F.cast(self, dtype)

    def to(self, device: str) -> Tensor:
        """The same values on another device (the tensor itself if it is there already); gradients flow back."""
        return F.move(self, device)

    def clone(self) -> Tensor:
        """A copy, through which gradients flow."""
        return F.cast(self, self.dtype)

    def copy_(self, values: Any) -> Tensor:
        """Overwrite the values in place, broadcasting; refused where it would be invisible to the graph."""
        self[...] = values
        return self

    # --- indexing ---------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Tensor:
        return F.index(self, key)

    def __setitem__(self, key: Any, values: Any) -> None:
        if autograd.is_grad_enabled():
            if self.requires_grad:
                raise RuntimeError(
                    f"an assignment into a tensor that requires grad (shape {self.shape}) cannot be recorded; build a "
                    "new tensor with where() or concatenate(), or assign under no_grad()"
                )
            if isinstance(values, Tensor) and values.requires_grad:
                raise RuntimeError(
                    f"an assignment of a tensor that requires grad (shape {values.shape}) cannot be recorded, so its "
                    "gradient would be lost; build a new tensor with where() or concatenate(), or assign its .detach()"
                )
        if isinstance(values, Tensor) and values.device != self.device and not (values.is_on_host and self.is_on_host):
            raise ValueError(
                f"an assignment of a tensor on {values.device!r} into one on {self.device!r}; move it with "
                f".to({self.device!r})"
            )
        self._data[F.array_key(key)] = values._data if isinstance(values, Tensor) else values
        self.bump_version()


class RemovableHandle:
    """What `Tensor.register_hook` returns: ``remove()`` takes the hook off again."""

    def __init__(self, owner: Any, hook: Callable[..., Any]):
        self._owner, self._hook = weakref.ref(owner), hook  # weak: a handle does not keep a graph alive

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        owner = self._owner()
        if owner is not None:
            owner._hooks = tuple(hook for hook in owner._hooks if hook is not self._hook)


class _KeepGrad:
    """The hook of `Tensor.retain_grad`; weak, since the tensor holds the operation that holds the hook."""

    def __init__(self, tensor: Tensor):
        self.tensor = weakref.ref(tensor)

    def __call__(self, gradient: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor.grad = gradient.clone() if tensor.grad is None else tensor.grad + gradient


_NOTHING = np.empty(0, np.float32)
_NOT_WITH_GRAD = "{}: the tensor, shape {}, requires grad, and other libraries record no graph; hand out .detach()"


# Last, because they need Tensor.
from minifcn import autograd  # noqa: E402
from minifcn import functional as F  # noqa: E402

operators.F = F  # type: ignore[attr-defined]  # for a type checker, it is imported there
