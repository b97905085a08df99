"""How many pixels the output of each module of a network sees: a column of `Module.summary`."""

from __future__ import annotations

from minifcn.audit.costs.rehearsal import on_shapes
from minifcn.audit.fields.receptive_field import AxisField, axis_field, receptive_field
from minifcn.audit.fields.recording import ImageShape, Recording, record, spans_along
from minifcn.audit.subject import Subject
from minifcn.autograd import Operation
from minifcn.graph.applications import Application
from minifcn.nn import Module
from minifcn.scope import Call


def module_fields(module: Module, channels: int) -> dict[str, str]:
    """The side of the receptive field of every module's output, in pixels of the network's image, by path.

    Phases that see different numbers are listed, and so are both sides of a field that is no square. A field that
    borders cut even in a large image, as that of a mean over all pixels, is "all". Modules whose output is no map, or
    in which no operation was applied, are left out; of several results, or applications, the last one counts.

    The module runs on shapes alone, so its size does not matter.

    Args:
        module: any module from images (1, H, W, C) to a map.
        channels: C.

    Raises:
        ValueError: no size is legal, or the output is no map or made by other means than operations on Tensors.
        NotImplementedError: an operation has no rule in `minifcn.audit.fields.rules`.

    >>> from minifcn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Conv2d(2, 1, (3, 1)))
    >>> module_fields(net, 1)
    {'': '8 x 4', '0': '3', '1': '4', '2': '8 x 4'}
    """
    subject = Subject(module, channels=channels)
    with on_shapes(module):
        images = receptive_field(subject).images
        rows, columns = (_sizes(subject, shape, axis) for axis, shape in enumerate(images))
    return {path: rows[path] if rows[path] == columns[path] else f"{rows[path]} x {columns[path]}" for path in rows}


def _sizes(subject: Subject, shape: ImageShape, axis: int) -> dict[str, str]:
    """Along one axis, of an image in which fields fit."""
    recording = record(subject, shape)
    spans = spans_along(recording, axis)
    last = _last_results(subject.module, recording)
    maps = {path: each for path, each in last.items() if len(each.output) == 4 and each.operation in spans}
    return {path: _words(axis_field(recording, spans, axis, application)) for path, application in maps.items()}


def _last_results(module: Module, recording: Recording) -> dict[str, Application]:
    """Of each module by path, the last operation within it whose result is used outside of it, or by nobody."""
    users: dict[Operation, list[set[Call]]] = {}
    for application in recording.graph:
        for parent in application.parents:
            if isinstance(parent, Operation):
                users.setdefault(parent, []).append(set(_calls(application)))
    last: dict[Module, Application] = {}
    for application in recording.graph:
        for call in _calls(application):
            leaves = any(call not in inside for inside in users.get(application.operation, [set()]))
            if leaves and call.module is not None:
                last[call.module] = application
    return {path: last[layer] for path, layer in module.named_modules() if layer in last}


def _calls(application: Application) -> list[Call]:
    call = application.operation.call
    return [] if call is None else list(call.chain())


def _words(field: AxisField) -> str:
    return " or ".join(map(str, sorted(set(field.sizes)))) if field.complete else "all"
