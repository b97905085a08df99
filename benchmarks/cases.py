"""What is measured: every case and every target, in one table.

A ratio is the best peer's time (or memory) over minifcn's: above 1, minifcn is better. Targets are what we aim at; a
run says whether they were reached.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Pass = Literal["forward", "training"]


@dataclass(frozen=True)
class Group:
    """Cases with a common target.

    ``mean`` is the least geometric mean of the ratios, ``worst`` the least ratio of any case.
    """

    name: str
    title: str
    mean: float | None = None
    worst: float | None = None


@dataclass(frozen=True)
class ConvCase:
    """A convolution of (batch, size, size, channels) with ``outputs`` channels, or a transposed one.

    "training" is the forward pass, then the gradients of weight and, unless it is a first layer, image.
    """

    group: str
    label: str
    channels: int
    outputs: int
    size: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    transposed: bool = False
    first_layer: bool = False
    mode: Pass = "forward"
    batch: int = 4

    @property
    def name(self) -> str:
        """Unique: group/label."""
        return f"{self.group}/{self.label}"

    @property
    def output_size(self) -> int:
        """Rows, and columns, of the result."""
        extent = self.dilation * (self.kernel - 1) + 1
        if self.transposed:
            return self.stride * (self.size - 1) + extent - 2 * self.padding
        return (self.size + 2 * self.padding - extent) // self.stride + 1

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        """Images, (N, H, W, C)."""
        return (self.batch, self.size, self.size, self.channels)

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        """Results, (N, P, Q, K)."""
        return (self.batch, self.output_size, self.output_size, self.outputs)

    @property
    def w_shape(self) -> tuple[int, int, int, int]:
        """Weights in minifcn's layout: those of the convolution that is applied, or transposed."""
        ends = (self.outputs, self.channels) if self.transposed else (self.channels, self.outputs)
        return (self.kernel, self.kernel, *ends)

    @property
    def passes(self) -> int:
        """How often the product is formed: forward, gradient of the weight, gradient of the image."""
        return 1 if self.mode == "forward" else 2 if self.first_layer else 3

    @property
    def terms(self) -> tuple[int, int, int]:
        """How many products each element of (y, gradient of the weight, gradient of the image) sums, at most."""
        taps = self.kernel**2
        pixels = self.batch * min(self.size, self.output_size) ** 2
        return (taps * self.channels, pixels, taps * self.outputs)

    @property
    def flops(self) -> int:
        """Multiplications and additions of the definition, zeros of the border included."""
        pixels = self.batch * min(self.size, self.output_size) ** 2
        return 2 * pixels * self.kernel**2 * self.channels * self.outputs * self.passes

    @property
    def bytes(self) -> int:
        """Memory traffic in float32 if every pass reads its two operands once and writes its result once."""
        return 4 * self.passes * (math.prod(self.x_shape) + math.prod(self.w_shape) + math.prod(self.y_shape))


@dataclass(frozen=True)
class NetworkCase:
    """A U-Net on (batch, size, size, 1): a training step (cross-entropy, Adam), or the forward pass in evaluation."""

    group: str
    label: str
    base: int
    size: int
    batch: int = 1
    depth: int = 4
    norm: Literal["batch"] | None = "batch"
    padding: Literal["same", "valid"] = "same"
    constant: bool = False  #: all levels have ``base`` channels, instead of doubling
    mode: Pass = "training"

    @property
    def name(self) -> str:
        """Unique: group/label."""
        return f"{self.group}/{self.label}"

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the levels, from the top to the bottom."""
        return tuple(self.base * (1 if self.constant else 2**level) for level in range(self.depth + 1))

    @property
    def terms(self) -> int:
        """Products that are summed on the way from the image to a score: 3 x 3 convolutions, twice a level."""
        way = (1, *self.widths, *(2 * width for width in self.widths[:-1]), *self.widths)
        return 9 * sum(way)


@dataclass(frozen=True)
class MemoryCase:
    """How much a training step's peak memory exceeds that of a process which is ready to begin."""

    group: str
    label: str
    network: NetworkCase

    @property
    def name(self) -> str:
        """Unique: group/label."""
        return f"{self.group}/{self.label}"


@dataclass(frozen=True)
class StartupCase:
    """Seconds in a fresh process; ``probe`` names the measurement in `minifcn.benchmarks.probe`."""

    group: str
    label: str
    probe: str
    limit: float
    cold: bool = False  #: with an empty cache of compiled kernels
    repeats: int = 5

    @property
    def name(self) -> str:
        """Unique: group/label."""
        return f"{self.group}/{self.label}"


Case = ConvCase | NetworkCase | MemoryCase | StartupCase

GROUPS = {
    group.name: group
    for group in (
        Group("conv3x3", "3 x 3 convolution, stride 1, batch 4: forward", mean=2.0, worst=1.3),
        Group("conv3x3-training", "the same, forward and both gradients", mean=2.0, worst=1.3),
        Group("conv-other", "other convolutions, batch 4", worst=1.0),
        Group("unet-training", "training step of a U-Net", worst=2.5),
        Group("inference", "U-Net with batch normalisation, evaluation, one image", worst=2.0),
        Group("small", "training step of small U-Nets", worst=1.5),
        Group("memory", "peak memory of a training step", worst=1.6),
        Group("startup", "fresh processes"),
    )
}

# (channels in, channels out, size): the levels of a U-Net of base 32, its encoder's and its decoder's changes.
_LEVELS = [
    *((32, 32, 256), (64, 64, 128), (128, 128, 64), (256, 256, 32), (512, 512, 16)),
    *((32, 64, 128), (64, 128, 64), (128, 256, 32), (256, 512, 16)),
    *((64, 32, 256), (128, 64, 128), (256, 128, 64), (512, 256, 32)),
]


def _conv3x3(group: str, mode: Pass) -> list[ConvCase]:
    return [ConvCase(group, f"{c} to {k} at {size}", c, k, size, mode=mode) for c, k, size in _LEVELS]


def _conv_other(mode: Pass) -> list[ConvCase]:
    def case(what: str, c: int, k: int, size: int, kernel: int, padding: int, **more: int | bool) -> ConvCase:
        label = f"{what} {c} to {k} at {size}, {mode}"
        return ConvCase("conv-other", label, c, k, size, kernel, padding=padding, mode=mode, **more)  # type: ignore[arg-type]

    return [
        *(case("first 3x3", c, k, 256, 3, 1, first_layer=True) for c in (1, 3) for k in (32, 64)),
        *(case("1x1", c, k, size, 1, 0) for c, k, size in ((32, 2, 256), (64, 64, 128), (256, 256, 32))),
        case("2x2 stride 2", 64, 128, 128, 2, 0, stride=2),
        *(
            case("transposed 2x2 stride 2", c, c // 2, size, 2, 0, stride=2, transposed=True)
            for c, size in ((64, 128), (128, 64), (512, 16))
        ),
        case("5x5", 32, 32, 128, 5, 2),
        case("7x7", 32, 32, 128, 7, 3),
        case("3x3 stride 2", 64, 64, 128, 3, 1, stride=2),
        case("3x3 dilation 2", 64, 64, 128, 3, 2, dilation=2),
        case("3x3", 128, 128, 28, 3, 1),
        case("3x3", 64, 64, 57, 3, 1),
    ]


CASES: tuple[Case, ...] = (
    *_conv3x3("conv3x3", "forward"),
    *_conv3x3("conv3x3-training", "training"),
    *_conv_other("forward"),
    *_conv_other("training"),
    NetworkCase("unet-training", "base 16, 4 x 256", 16, 256, 4),
    NetworkCase("unet-training", "base 32, 4 x 256", 32, 256, 4),
    NetworkCase("unet-training", "base 64, 1 x 512", 64, 512),
    NetworkCase("unet-training", "the paper's, 1 x 572", 64, 572, norm=None, padding="valid"),
    *(NetworkCase("inference", f"base {base}, 1 x 512", base, 512, mode="forward") for base in (16, 32, 64)),
    NetworkCase("small", "8 to 64 channels, 10 x 32", 8, 32, 10, depth=3, norm=None),
    NetworkCase("small", "8 channels, 10 x 32", 8, 32, 10, depth=3, norm=None, constant=True),
    MemoryCase("memory", "base 64, 1 x 512", NetworkCase("memory", "base 64, 1 x 512", 64, 512)),
    StartupCase("startup", "import minifcn", "import", 0.5),
    StartupCase("startup", "first training step, compiled before", "first_step", 1.5),
    StartupCase("startup", "first training step, nothing compiled", "first_step", 60.0, cold=True, repeats=1),
)


def select(groups: Sequence[str] = (), pattern: str | None = None) -> list[Case]:
    """The cases of ``groups`` (all, if none are named) whose label matches ``pattern``, a shell's, anywhere in it.

    Raises:
        ValueError: no such group, or no case matches.

    >>> [case.label for case in select(["conv3x3"], "512*at 16")]
    ['512 to 512 at 16', '256 to 512 at 16']
    """
    for group in groups:
        if group not in GROUPS:
            raise ValueError(f"bench: no group {group!r}; groups: {', '.join(GROUPS)}")
    chosen = [case for case in CASES if not groups or case.group in groups]
    if pattern is not None:
        chosen = [case for case in chosen if fnmatch.fnmatch(case.label.lower(), f"*{pattern.lower()}*")]
    if not chosen:
        raise ValueError(f"bench: no case matches {pattern!r}; --list shows them")
    return chosen
