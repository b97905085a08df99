"""How many pixels the output of each module of a network sees: a column of `Module.summary`."""

from __future__ import annotations

from minifcn.audit.fields.receptive_field import AxisField, axis_field, receptive_field
from minifcn.audit.fields.recording import ImageShape, Recording, record, spans_along
from minifcn.audit.subject import Subject
from minifcn.graph.applications import Application
from minifcn.nn import Module


def module_fields(module: Module, channels: int) -> dict[str, str]:
    """The side of the receptive field of every module's output, in pixels of the network's image, by path.

    Phases that see different numbers are listed, and so are both sides of a field that is no square. A field that
    borders cut even in a large image, as that of a mean over all pixels, is "all". Modules whose output is no map, or
    that were not applied, are left out.

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
    rows, columns = (_sizes(subject, shape, axis) for axis, shape in enumerate(receptive_field(subject).images))
    return {path: rows[path] if rows[path] == columns[path] else f"{rows[path]} x {columns[path]}" for path in rows}


def _sizes(subject: Subject, shape: ImageShape, axis: int) -> dict[str, str]:
    """Along one axis, of an image in which fields fit."""
    recording = record(subject, shape)
    spans = spans_along(recording, axis)
    last = _last_operations(subject.module, recording)
    maps = {path: last[path] for path in last if len(last[path].output) == 4 and last[path].operation in spans}
    return {path: _words(axis_field(recording, spans, axis, application)) for path, application in maps.items()}


def _last_operations(module: Module, recording: Recording) -> dict[str, Application]:
    """The operation that made each module's output, by path: the last one within it."""
    paths = {layer: path for path, layer in module.named_modules()}
    last: dict[str, Application] = dict.fromkeys(paths.values(), recording.graph[-1])
    applied = set()
    for application in recording.graph:
        call = application.operation.call
        for path in (paths[each.module] for each in (call.chain() if call else ()) if each.module in paths):
            last[path] = application
            applied.add(path)
    return {path: application for path, application in last.items() if path in applied}


def _words(field: AxisField) -> str:
    return " or ".join(map(str, sorted(set(field.sizes)))) if field.complete else "all"
