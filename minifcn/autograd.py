"""Reverse-mode differentiation: operations, the graph they record, and the walk back through it.

Calling an `Operation` computes on arrays and, if some input wants a gradient, leaves the operation behind as a node of
the graph: it knows its parents (the operations, or leaf Tensors, that its inputs came from) and what it saved.
`Tensor.backward` then walks the graph from the result to the leaves, each node turning the gradient of its output into
gradients of its inputs. Those rules are themselves written with Tensors and operations, so with ``create_graph=True``
the walk is recorded too, and gradients can be differentiated again.

An operation has exactly one differentiable output. So "the operation" and "the tensor it made" are one node.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from minifcn import scope
from minifcn.kernels import load
from minifcn.saved import Saved
from minifcn.tensor import Tensor

#: What a gradient can flow to: the operation that made a tensor, or a leaf tensor itself.
Node: TypeAlias = "Operation | Tensor"
Function = TypeVar("Function", bound=Callable[..., Any])
Gradients: TypeAlias = Tensor | tuple[Tensor | None, ...] | None


# --- is the graph being recorded? -----------------------------------------------------------------------------------


class _Mode(threading.local):
    recording = True


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread."""
    return _mode.recording


class set_grad_enabled:  # noqa: N801  # a function to its users, as in PyTorch
    """Context manager and decorator: record operations, or do not, in this thread."""

    def __init__(self, enabled: bool):
        self.enabled = enabled
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(_mode.recording)
        _mode.recording = self.enabled

    def __exit__(self, *exception: object) -> None:
        _mode.recording = self._previous.pop()

    def __call__(self, function: Function) -> Function:
        """``function``, always run in this mode."""

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with set_grad_enabled(self.enabled):  # a new one each call: threads must not share what to go back to
                return function(*args, **kwargs)

        return cast(Function, inside)


class no_grad(set_grad_enabled):  # noqa: N801
    """Context manager and decorator: nothing inside is recorded.

    >>> import minifcn as mf
    >>> x = mf.tensor(2.0, requires_grad=True)
    >>> with mf.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(set_grad_enabled):  # noqa: N801
    """Context manager and decorator: operations inside are recorded, even within `no_grad`."""

    def __init__(self) -> None:
        super().__init__(True)


_places = itertools.count()


# --- one differentiable function -------------------------------------------------------------------------------------


class Operation:
    """A differentiable function, one application of which is one node of the graph.

    A subclass takes its parameters in ``__init__``, computes in `forward` (on arrays) and differentiates in `backward`
    (on Tensors, with public functions). ``forward`` calls ``self.save`` with what ``backward`` will need, inputs and
    outputs included; ``backward`` finds them as Tensors in ``self.saved``. ``self.needs`` tells both which inputs want
    a gradient, so that nothing is saved or computed in vain.

    >>> import minifcn as mf
    >>> class Square(mf.Operation):
    ...     def forward(self, x):
    ...         self.save(x)
    ...         return x * x
    ...     def backward(self, gradient):
    ...         (x,) = self.saved
    ...         return 2.0 * x * gradient
    >>> x = mf.tensor([1.0, 3.0], requires_grad=True)
    >>> Square()(x).sum().backward()
    >>> x.grad
    tensor([2., 6.])
    """

    #: The output shares memory with the first input, so a change of one is a change of the other.
    is_view = False
    #: The output can be computed again from what is saved, by `recompute`, as cheaply as it is read: so other
    #: operations need not keep it.
    recomputes: bool = False
    device: str
    #: Where the output lives, if not where the inputs do.
    output_device: str | None = None
    needs: tuple[bool, ...]
    #: Its place in the order in which operations were recorded.
    place: int = -1
    #: The application of a module that this one belongs to, if any; for drawings and audits.
    call: scope.Call | None = None
    #: The result, if it is a single number; for drawings.
    number: Any = None
    #: What the result was named (`Tensor.name`).
    name: str | None = None
    #: Further outputs of `forward`, arrays that no gradient flows through (such as a max-pool's indices).
    extra: tuple[Any, ...] = ()

    parents: tuple[Node | None, ...] = ()
    input_types: tuple[tuple[tuple[int, ...], np.dtype], ...] = ()
    _saved: tuple[Any, ...] | None = ()
    _hooks: tuple[Callable[[Tensor], Tensor | None], ...] = ()

    def forward(self, *arrays: Any) -> Any:
        """The function, on arrays."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, gradient: Tensor) -> Gradients:
        """Gradients of the inputs (None where there is none), given the gradient of the output.

        A gradient may have the broadcast shape of its input: broadcasting is undone by the caller.
        """
        raise NotImplementedError(f"{type(self).__name__}.backward")

    def recompute(self) -> Any:
        """The output's array once more, the same bits; for operations that say they can."""
        raise NotImplementedError(f"{type(self).__name__}.recompute")

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Apply to Tensors and, unless nothing needs a gradient, record the application."""
        if self.input_types:
            raise RuntimeError(f"{type(self).__name__}: applied already, and now a node of a graph; make a new one")
        for position, value in enumerate(inputs):
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"{type(self).__name__}: input {position} is of type {type(value).__name__}, but operations are "
                    "applied to Tensors; make it one with tensor()"
                )
        self.device = common_device(type(self).__name__.lower(), inputs)
        recording = _mode.recording
        # Lists, not generators, here and below: this runs hundreds of times a step, on two or three inputs.
        self.needs = tuple([recording and tensor.requires_grad for tensor in inputs])
        if any(self.needs):
            self.parents = tuple([t.source if need else None for t, need in zip(inputs, self.needs, strict=True)])
        result = Tensor(self.forward(*[tensor._data for tensor in inputs]), device=self.output_device or self.device)
        if self.is_view:
            result.share_version(inputs[0])
        if self.parents and result.dtype.kind == "f":  # integers have no derivative
            self.input_types = tuple([(tensor.shape, tensor.dtype) for tensor in inputs])
            self._saved = tuple([Saved.of(array, inputs, result) for array in self._saved or ()])
            self.place, self.call = next(_places), scope.inside.call
            if result.size == 1 and result.is_on_host and not self.is_view:  # a view would keep all of its array
                self.number = result._data
            result.set_operation(self)
        else:
            self._saved, self.parents = (), ()
        return result

    def save(self, *arrays: Any) -> None:
        """Keep arrays (or None) for `backward`; called in `forward`."""
        self._saved = arrays

    @property
    def saved(self) -> tuple[Any, ...]:
        """What `forward` saved, as Tensors that are connected to the graph; read in `backward`."""
        if self._saved is None:
            raise RuntimeError(_FREED.format(type(self).__name__))
        return tuple([saved and saved.restore(self) for saved in self._saved])

    def restored(self, position: int) -> Any:
        """One of `saved`, for operations that may not need the others."""
        if self._saved is None:
            raise RuntimeError(_FREED.format(type(self).__name__))
        saved = self._saved[position]
        return saved and saved.restore(self)

    def input_shape(self, position: int) -> tuple[int, ...]:
        """Shape of an input; known in `backward` without saving the array."""
        return self.input_types[position][0]

    def input_gradients(self, gradient: Tensor) -> Iterator[tuple[Node, Tensor]]:
        """Each parent with its gradient, as the input's shape and dtype: the one place that undoes broadcasting."""
        gradients = self.backward(gradient)
        if not isinstance(gradients, tuple):
            gradients = (gradients,)
        if len(gradients) != len(self.input_types):
            raise ValueError(
                f"backward of {type(self).__name__} returned {len(gradients)} gradients for "
                f"{len(self.input_types)} inputs"
            )
        for parent, (shape, dtype), partial in zip(self.parents, self.input_types, gradients, strict=True):
            if parent is None or partial is None:
                continue
            if partial.shape != shape:
                if not _fills(shape, partial.shape):
                    raise ValueError(
                        f"backward of {type(self).__name__} returned a gradient of shape {partial.shape} for an input "
                        f"of shape {shape}; it must have that shape, or one that it broadcasts to"
                    )
                partial = partial.sum_to(shape)
            yield parent, partial.astype(dtype, copy=False)

    def _free(self) -> None:
        self._saved, self.parents, self.input_types, self.extra = None, (), (), ()
        self.call = self.number = None


_FREED = (
    "backward through a graph that was already freed (at {}): a backward pass frees what it has used; "
    "to go back a second time, give the first pass retain_graph=True"
)


def common_device(name: str, inputs: Sequence[Tensor]) -> str:
    """The device that all inputs are on; an error if there are several."""
    devices = {tensor.device for tensor in inputs}
    if len(devices) != 1:
        raise ValueError(
            f"{name}: inputs are on different devices ({', '.join(t.device for t in inputs)}); "
            "move them to one with .to(device)"
        )
    return devices.pop()


# --- the walk back ---------------------------------------------------------------------------------------------------


#: Called with a node, the gradient that arrived at it, and what it sends to its parents, before they get it.
Watcher: TypeAlias = "Callable[[Operation, Tensor, list[tuple[Node, Tensor]]], None]"


def backward(
    tensor: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool = False,
    create_graph: bool = False,
    watch: Watcher | None = None,
) -> None:
    """Add to every leaf's ``grad`` the derivative of ``tensor`` with respect to it; see `Tensor.backward`."""

    def accumulate(leaf: Tensor, total: Tensor) -> None:
        # A copy: the same gradient may have gone to several leaves, and each owns its own.
        leaf.grad = total.clone() if leaf.grad is None else leaf.grad + total

    walk([tensor], [gradient], retain_graph or create_graph, create_graph, accumulate, watch=watch)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Derivatives of ``outputs`` (each weighted by its ``grad_outputs``, and summed) with respect to ``inputs``.

    No ``.grad`` is touched. ``retain_graph`` defaults to ``create_graph``.

    Raises:
        RuntimeError: an input was not used to compute the outputs, unless ``allow_unused`` (then its gradient is None).

    >>> import minifcn as mf
    >>> x = mf.tensor(3.0, requires_grad=True)
    >>> (slope,) = mf.grad(x**3, x, create_graph=True)
    >>> (curvature,) = mf.grad(slope, x)
    >>> slope.item(), curvature.item()
    (27.0, 18.0)
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    several = isinstance(grad_outputs, (tuple, list))
    seeds: list[Any] = list(cast(Any, grad_outputs)) if several else [grad_outputs] * len(outputs)
    if len(seeds) != len(outputs):
        raise ValueError(f"grad: {len(seeds)} grad_outputs for {len(outputs)} outputs; give each output one, or None")
    for position, tensor in enumerate(inputs):
        if not tensor.requires_grad:
            raise RuntimeError(
                f"grad: input {position}, shape {tensor.shape}, does not require grad; "
                "set requires_grad before it is used"
            )
    found: dict[Node, Tensor] = {}
    retain = create_graph if retain_graph is None else retain_graph
    walk(outputs, seeds, retain, create_graph, found.__setitem__, {t.source for t in inputs})
    results = tuple(found.get(tensor.source) for tensor in inputs)
    unused = [position for position, gradient in enumerate(results) if gradient is None]
    if unused and not allow_unused:
        raise RuntimeError(
            f"grad: input {unused[0]}, shape {inputs[unused[0]].shape}, was not used to compute the outputs; pass "
            "allow_unused=True to get None for it"
        )
    return results


def walk(
    roots: Sequence[Tensor],
    seeds: Sequence[Tensor | None],
    retain_graph: bool,
    create_graph: bool,
    arrive: Callable[[Any, Tensor], None],
    targets: set[Node] | None = None,
    *,
    watch: Watcher | None = None,
    hooks: bool = True,
) -> None:
    """Carry gradients from ``roots`` to ``targets`` (to all leaves if None), and hand each to ``arrive``.

    ``watch`` sees every operation's turn. Without ``hooks``, none is called: for looking, which must change nothing.

    Gradients live in one local dictionary, and leave it as they are used: an error half-way leaves nothing behind.
    """
    gradients: dict[Node, Tensor] = {}

    def add(node: Node, gradient: Tensor) -> None:
        gradients[node] = gradients[node] + gradient if node in gradients else gradient

    order = topological_order([root.source for root in roots if root.requires_grad])
    wanted = _leading_to(targets, order) if targets is not None else None
    with set_grad_enabled(create_graph):
        for root, seed in zip(roots, seeds, strict=True):
            add(root.source, _seed(root, seed))
        while order:
            node = order.pop()
            if node not in gradients:
                continue
            gradient = gradients.pop(node)
            for hook in node._hooks if hooks else ():
                gradient = _hooked(hook, gradient)
            if node in targets if targets is not None else isinstance(node, Tensor):
                arrive(node, gradient)
            if isinstance(node, Operation) and (wanted is None or not wanted.isdisjoint(node.parents)):
                sent: Iterable[tuple[Node, Tensor]] = node.input_gradients(gradient)
                if watch is not None:
                    watch(node, gradient, sent := list(sent))
                for parent, partial in sent:
                    if wanted is None or parent in wanted:
                        add(parent, partial)
                if not retain_graph:
                    node._free()


def topological_order(roots: Sequence[Node]) -> list[Node]:
    """Every node behind ``roots``, parents before children. Iterative: a long chain must not exhaust the stack."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in roots]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            if isinstance(node, Operation):
                if node._saved is None:
                    raise RuntimeError(_FREED.format(type(node).__name__))
                stack.extend((parent, False) for parent in node.parents if parent is not None)
    return order


def _leading_to(targets: set[Node], order: Sequence[Node]) -> set[Node]:
    """The nodes of ``order`` from which a target can be reached: the only ones worth differentiating."""
    wanted: set[Node] = set()
    for node in order:
        if node in targets or (isinstance(node, Operation) and not wanted.isdisjoint(node.parents)):
            wanted.add(node)
    return wanted


def _seed(root: Tensor, gradient: Tensor | None) -> Tensor:
    """The gradient a walk starts with."""
    if not root.requires_grad:
        raise RuntimeError(
            "backward: the tensor does not depend on anything that requires grad; create its inputs with "
            "requires_grad=True, and do not compute it under no_grad()"
        )
    if gradient is None:
        if root.size != 1:
            raise RuntimeError(
                "backward: only a scalar has an obvious gradient to start from, and this tensor has shape "
                f"{root.shape}; reduce it first (.sum() or .mean()), or pass gradient= a tensor of that shape"
            )
        return Tensor(load(root.device).full(root.shape, 1, root.dtype), device=root.device)
    if not isinstance(gradient, Tensor):
        gradient = Tensor(np.asarray(gradient, root.dtype)).to(root.device)
    if gradient.shape != root.shape:
        raise ValueError(f"backward: gradient has shape {gradient.shape}, the tensor {root.shape}; they must agree")
    return gradient.astype(root.dtype, copy=False)


def _fills(shape: tuple[int, ...], larger: tuple[int, ...]) -> bool:
    """Whether ``shape`` broadcasts to ``larger``."""
    try:
        return np.broadcast_shapes(shape, larger) == larger
    except ValueError:
        return False


def _hooked(hook: Callable[[Tensor], Tensor | None], gradient: Tensor) -> Tensor:
    replacement = hook(gradient)
    if replacement is None:
        return gradient
    if not isinstance(replacement, Tensor) or replacement.shape != gradient.shape:
        got = f"shape {replacement.shape}" if isinstance(replacement, Tensor) else type(replacement).__name__
        raise ValueError(f"a tensor hook must return None or a Tensor of shape {gradient.shape}, not {got}")
    return replacement.astype(gradient.dtype, copy=False)
