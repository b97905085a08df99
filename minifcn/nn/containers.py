"""Modules that hold modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from minifcn.nn.module import Module


class _Indexed(Module):
    """Children in a fixed order, which can be counted, indexed and sliced."""

    def append(self, module: Module) -> None:
        """Add a module at the end, named by its position."""
        self.add_module(str(len(self)), module)

    def __len__(self) -> int:
        return len(list(self.children()))

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self, index: int | str) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> _Indexed: ...
    def __getitem__(self, index: int | str | slice) -> Module:
        named = list(self.named_children())
        if isinstance(index, str):
            return dict(named)[index]
        if isinstance(index, slice):
            part = type(self)()
            for name, child in named[index]:
                part.add_module(name, child)
            return part
        if not -len(named) <= index < len(named):
            raise IndexError(f"{type(self).__name__}: index {index} is out of range, there are {len(named)} modules")
        return named[index][1]


class Sequential(_Indexed):
    """Modules, each applied to the output of the one before.

    Args:
        modules: modules, which become "0", "1", ...; or one dictionary from names to modules.

    >>> from minifcn import nn
    >>> block = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    >>> block[1]
    ReLU()
    >>> nn.Sequential({"score": nn.Conv2d(4, 2, 1)}).score
    Conv2d(4, 2, kernel_size=(1, 1), stride=(1, 1))
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named: Iterable[tuple[str, Any]] = modules[0].items()
        else:
            named = ((str(position), module) for position, module in enumerate(modules))
        for name, module in named:
            self.add_module(name, module)

    def forward(self, x: Any) -> Any:
        """The last module's output."""
        for module in self:
            x = module(x)
        return x


class ModuleList(_Indexed):
    """A list of modules whose parameters count; it computes nothing itself.

    >>> from minifcn import nn
    >>> levels = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> len(levels), len(list(levels.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] = ()):
        for module in modules:
            self.append(module)
