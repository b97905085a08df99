"""What can be said about a network without training it: its published form counted, traced and asked."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minifcn.audit.fields.receptive_field import AxisField, receptive_field
from minifcn.audit.sizing.size_words import sizes_in_words
from minifcn.models.network import Network
from minifcn.nn.init import skipped


@dataclass(frozen=True)
class NetworkFacts:
    """Figures of a network as it was published.

    Attributes:
        options: that make it.
        parameters: how many numbers it learns; what is fixed, such as bilinear interpolation, does not count.
        stride: the total stride; None where it is not known.
        field: its receptive fields along rows; None where they could not be followed.
        note: why they could not, or that they are those of the network made for whole images.
        sizes: the legal heights and widths, in words.
        example: a legal height, and that of its output; (0, 0) where there is none up to 1024.
    """

    options: Mapping[str, Any]
    parameters: int
    stride: int | None
    field: AxisField | None
    note: str
    sizes: str
    example: tuple[int, int]


def network_facts(network: type[Network]) -> NetworkFacts:
    """Of a class of networks: parameters at its full width, the rest with few channels (see `Network.narrow`).

    >>> from minifcn.models import UNet
    >>> facts = network_facts(UNet)
    >>> facts.parameters, str(facts.field), facts.sizes
    (31030658, '188 or 204 pixels, stride 16', '16 k + 12 from 188')
    """
    options = published_options(network)
    with skipped():
        learnt = [parameter for parameter in network(**options).parameters() if parameter.requires_grad]
    narrow = network(**{**options, **network.narrow})
    field, note = _field(narrow)
    example = next((n for n in range(1, 1025) if narrow.output_length(n)), 0)
    return NetworkFacts(
        options=options,
        parameters=sum(parameter.size for parameter in learnt),
        # A classifier of windows has a stride of its own, which the network made of it for images no longer shows.
        stride=getattr(narrow, "total_stride", None) or (field.stride if field else None),
        field=field,
        note=note,
        sizes=sizes_in_words(narrow.output_length),
        example=(example, narrow.output_length(example) if example else 0),
    )


def published_options(network: type[Network]) -> dict[str, Any]:
    """Options of the published network; what its class leaves out and has to be said comes from `Network`."""
    known = inspect.signature(network).parameters
    return {name: value for name, value in Network.published.items() if name in known} | dict(network.published)


def _field(network: Network) -> tuple[AxisField | None, str]:
    """Of the network, or, if it only takes windows, of the one that answers every pixel of an image."""
    try:
        field = receptive_field(network).rows
        whole = network if field.complete else network.for_images()
        if whole is network:
            return field, "" if field.complete else "no output pixel is surely free of the borders"
        return receptive_field(whole).rows, "of the network made for whole images"
    except (NotImplementedError, ValueError) as error:
        return None, str(error)
