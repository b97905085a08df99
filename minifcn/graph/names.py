"""What nodes are called, so that no two that are seen together have one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from minifcn.autograd import Node, Operation
from minifcn.graph.applications import Application
from minifcn.graph.words import operation_name
from minifcn.nn.module import Module, Parameter


class Names:
    """Paths of the modules and parameters behind a graph; nothing is renamed by asking.

    Where one network was applied and a part of it beside, the longer path is the name.
    """

    def __init__(self, recorded: Sequence[Application]):
        self.modules: dict[Module, str] = {}
        self._parameters: dict[Parameter, str] = {}
        chains = [list(each.operation.call.chain()) for each in recorded if each.operation.call is not None]
        for network in dict.fromkeys(chain[-1].module for chain in chains):
            for path, module in network.named_modules() if network is not None else ():
                if len(path) >= len(self.modules.get(module, "")):
                    self.modules[module] = path
                    for name, parameter in own_parameters(module):
                        self._parameters[parameter] = f"{path}.{name}" if path else name

    def title(self, node: Node) -> str:
        """What somebody named it, or a parameter's path, and the operation that made it."""
        if isinstance(node, Operation):
            made_by = operation_name(node)
            return made_by if node.name is None else f"{node.name} = {made_by}"
        return node.name or (self._parameters.get(node, "") if isinstance(node, Parameter) else "") or "leaf"


def own_parameters(module: Module) -> list[tuple[str, Parameter]]:
    """Parameters that are attributes of the module itself."""
    return [(name, value) for name, value in vars(module).items() if isinstance(value, Parameter)]


def numbered(names: Iterable[str]) -> list[str]:
    """Names that come again get a number.

    >>> numbered(["add", "relu", "add", "add"])
    ['add', 'relu', 'add 2', 'add 3']
    """
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return found


def titles(recorded: Sequence[Application]) -> dict[Node, str]:
    """A name of its own for every operation and leaf of a graph, numbered in the order of use."""
    names = Names(recorded)
    nodes: dict[Node, None] = {}
    for each in recorded:
        nodes |= dict.fromkeys(parent for parent in each.parents if parent is not None)
        nodes[each.operation] = None
    return dict(zip(nodes, numbered(map(names.title, nodes)), strict=True))
