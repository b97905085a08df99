"""``minifcn models``."""

from __future__ import annotations

import inspect
import json
import re
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from minifcn.audit import NetworkFacts
    from minifcn.models import Network

_HEADINGS = ("network", "parameters", "receptive field", "stride", "sizes", "source")
_PATIENCE = 2.0  # seconds without a word


def models(
    name: Annotated[
        str | None, typer.Argument(help="Describe this network (default: list all).", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """List the networks: parameters, receptive fields, the sizes that they take, and whose they are.

    Numbers are those of the published network. Receptive fields are in pixels, and follow from the recorded operations;
    where they depend on the output pixel, the total stride is their period.
    """
    from minifcn.audit import network_facts
    from minifcn.cli.notice import announce_compilation
    from minifcn.models import REGISTRY, create

    if name is not None and name not in REGISTRY:
        create(name)  # it knows what to say
    announce_compilation()
    names = list(REGISTRY) if name is None else [name]
    facts = {each: network_facts(REGISTRY[each]) for each in _telling(names)}
    if as_json:
        entries = [_entry(each, REGISTRY[each], facts[each]) for each in names]
        print(json.dumps(entries if name is None else entries[0], indent=2, ensure_ascii=False, default=repr))
    elif name is None:
        print(_table([_row(each, REGISTRY[each], facts[each]) for each in names]))
    else:
        print(_description(name, REGISTRY[name], facts[name]))


def _telling(names: Iterable[str]) -> Iterator[str]:
    """The names, one by one; a terminal is told which it is if they take long."""
    names, begun, told = list(names), time.monotonic(), False
    try:
        for number, name in enumerate(names):
            if sys.stderr.isatty() and time.monotonic() - begun > _PATIENCE:
                told = True
                print(f"\r\x1b[K{number + 1} of {len(names)}: {name}", end="", file=sys.stderr, flush=True)
            yield name
    finally:
        if told:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _row(name: str, network: type[Network], facts: NetworkFacts) -> tuple[str, ...]:
    field = facts.field
    return (
        name,
        f"{facts.parameters:,}",
        "unknown" if field is None else " or ".join(map(str, sorted(set(field.sizes)))),
        "unknown" if facts.stride is None else str(facts.stride),
        facts.sizes,
        network.source,
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as they need to be."""
    rows = [_HEADINGS, *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _entry(name: str, network: type[Network], facts: NetworkFacts) -> dict[str, Any]:
    """What ``--json`` says of one network."""
    field = facts.field
    return {
        "name": name,
        "class": f"{network.__module__}.{network.__qualname__}",
        "source": network.source,
        "options": dict(facts.options),
        "parameters": facts.parameters,
        "total_stride": facts.stride,
        "receptive_field": None
        if field is None
        else {
            "sizes": list(field.sizes),
            "stride": field.stride,  # between neighbours of what `note` says
            "period": field.period,
            "offset": field.offset,
            "complete": field.complete,
        },
        "note": facts.note,
        "sizes": facts.sizes,
        "example": {"input": facts.example[0], "output": facts.example[1]},
    }


def _description(name: str, network: type[Network], facts: NetworkFacts) -> str:
    """The class's documentation up to its arguments, the options, and the figures."""
    text, arguments = _documented(network)
    row = dict(zip(_HEADINGS, _row(name, network, facts), strict=True))
    if facts.note:
        row["receptive field"] += f" ({facts.note})"
    if facts.example[0]:
        row["sizes"] += f"; {facts.example[0]} rows give {facts.example[1]}"
    figures = [f"{heading:17}{row[heading]}" for heading in _HEADINGS[1:] if row[heading]]
    lines = [f"{name}: {text}", "", "Figures, as published:", "", *figures, "", "Options:", ""]
    for option, parameter in inspect.signature(network).parameters.items():
        lines.append(f"{option}{_default(parameter)}{_published(option, parameter, facts)}")
        lines += textwrap.wrap(arguments.get(option, ""), 110, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _default(parameter: inspect.Parameter) -> str:
    return "" if parameter.default is parameter.empty else f" = {parameter.default!r}"


def _published(option: str, parameter: inspect.Parameter, facts: NetworkFacts) -> str:
    """Where the published network differs from the default."""
    if option not in facts.options or facts.options[option] == parameter.default:
        return ""
    return f" (published: {facts.options[option]!r})"


def _documented(network: type[Network]) -> tuple[str, dict[str, str]]:
    """A class's docstring: what stands before its arguments and examples, and the arguments' descriptions.

    >>> from minifcn.models import UNet
    >>> text, arguments = _documented(UNet)
    >>> text.split(":")[0], arguments["classes"][:22]
    ('Encoder, mirrored decoder, and skip connections between them', 'channels of the output')
    """
    documentation = inspect.getdoc(network) or ""
    text = re.split(r"^(?:Args:|Raises:|>>> )", documentation, maxsplit=1, flags=re.MULTILINE)[0].strip()
    section = re.search(r"^Args:\n((?:    .*\n|\n)*)", f"{documentation}\n", flags=re.MULTILINE)
    described = re.split(r"^    (\w+): ", section[1], flags=re.MULTILINE)[1:] if section else []
    return text, {
        option: " ".join(words.split()) for option, words in zip(described[::2], described[1::2], strict=True)
    }
