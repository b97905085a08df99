"""Hooks: functions that a module calls before or after its forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minifcn.nn.module import Module

ForwardPreHook = Callable[["Module", tuple[Any, ...]], Any]
ForwardHook = Callable[["Module", tuple[Any, ...], Any], Any]


class RemovableHandle:
    """A registered hook; ``remove()``, or leaving a ``with`` block, takes it off again.

    >>> from minifcn import nn
    >>> layer = nn.ReLU()
    >>> with layer.register_forward_hook(lambda module, inputs, output: print(output.shape)):
    ...     _ = layer([1.0, 2.0])
    (2,)
    >>> _ = layer([1.0, 2.0])
    """

    def __init__(self, owner: Module, registry: str, hook: Callable[..., Any]):
        self.hook = hook
        self._owner, self._registry = owner, registry

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        handles = getattr(self._owner, self._registry)
        setattr(self._owner, self._registry, tuple(handle for handle in handles if handle is not self))

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()
