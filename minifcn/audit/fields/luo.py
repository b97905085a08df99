"""Luo's law: of n convolutions, the effective receptive field grows as √n, and its share of the theoretical as 1 / √n.

Of uniform k x k kernels it follows from probability: the gradient is the distribution of a sum of n independent steps,
each uniform over k places and so of variance (k² − 1) / 12; hence σ = √(n (k² − 1) / 12), exactly, along each axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minifcn.audit.fields.effective import THRESHOLD, EffectiveField, centre_gradient, loglog_slope, mean_field
from minifcn.audit.report import Report
from minifcn.audit.weights import he_normal
from minifcn.autograd import no_grad
from minifcn.nn import Conv2d, Module, ReLU, Sequential, init
from minifcn.tables import Table

#: How weights are drawn, and what lies between convolutions.
CASES = ("uniform kernels", "random weights", "random weights, ReLU")


def uniform_deviation(depth: int, kernel: int = 3) -> float:
    """σ = √(n (k² − 1) / 12), in pixels, of n uniform k x k kernels, one after the other.

    >>> round(uniform_deviation(6, 3), 12)
    2.0
    """
    return math.sqrt(depth * (kernel**2 - 1) / 12)


@dataclass(frozen=True)
class LuoLaw(Report):
    """Effective sizes over depths.

    Attributes:
        depths: numbers of convolutions.
        kernel: rows and columns of each.
        runs: over how many draws of weights and images each size is averaged.
        sizes: effective sizes in pixels, for each of `CASES`, by depth.
        deviations: of uniform kernels, the standard deviation of the field in pixels, by depth.
    """

    name: ClassVar[str] = "effective-receptive-field-law"
    figure_size: ClassVar[tuple[float, float]] = (10, 4.5)

    depths: tuple[int, ...]
    kernel: int
    runs: int
    sizes: dict[str, tuple[float, ...]]
    deviations: tuple[float, ...]

    def slopes(self, case: str) -> tuple[float, float]:
        """Log-log slopes over depth: of the effective size, and of its share of the theoretical one."""
        sizes = self.sizes[case]
        shares = [size / self._theoretical(depth) for size, depth in zip(sizes, self.depths, strict=True)]
        return loglog_slope(self.depths, sizes), loglog_slope(self.depths, shares)

    def headline(self) -> str:
        """The slopes, beside those of the law."""
        slopes = ", ".join(f"{self.slopes(case)[0]:.3f} ({case})" for case in self.sizes)
        return (
            f"The effective receptive field of n convolutions of {self.kernel} x {self.kernel} grows as n to the power "
            f"of {slopes}; the law says 0.5."
        )

    def table(self) -> Table:
        """A row a depth, and the slopes."""
        rows = [
            [str(depth), str(self._theoretical(depth)), *(f"{self.sizes[case][i]:.1f}" for case in self.sizes)]
            for i, depth in enumerate(self.depths)
        ]
        slopes = {case: self.slopes(case) for case in self.sizes}
        rows.append(["slope", "", *(f"{slopes[case][0]:.3f}" for case in self.sizes)])
        rows.append(["slope of the share", "", *(f"{slopes[case][1]:.3f}" for case in self.sizes)])
        return Table(("depth", "theoretical", *self.sizes), rows)

    def notes(self) -> Sequence[str]:
        """What sizes are, and how exactly uniform kernels follow their formula."""
        off = max(
            abs(found - uniform_deviation(depth, self.kernel))
            for found, depth in zip(self.deviations, self.depths, strict=True)
        )
        return (
            f"Sizes in pixels: √(pixels above {THRESHOLD:.4f} of the largest mean |gradient|), {self.runs} runs.",
            f"Uniform kernels: σ = √(n (k² − 1) / 12) holds to {off:.1e} pixels.",
        )

    def facts(self) -> dict[str, Any]:
        """Sizes, slopes and deviations."""
        return {
            "depths": self.depths,
            "kernel_pixels": self.kernel,
            "runs": self.runs,
            "sizes_pixels": self.sizes,
            "slopes_absolute_relative": {case: self.slopes(case) for case in self.sizes},
            "uniform_deviation_pixels": self.deviations,
            "uniform_deviation_formula_pixels": [uniform_deviation(depth, self.kernel) for depth in self.depths],
        }

    def draw(self, figure: Any) -> None:
        """Sizes and shares over depth, on logarithmic axes."""
        from matplotlib.ticker import FuncFormatter, LogLocator

        left, right = figure.subplots(1, 2)
        depths = np.array(self.depths, float)
        theoretical = np.array([self._theoretical(depth) for depth in self.depths])
        for number, (case, sizes) in enumerate(self.sizes.items()):
            absolute, relative = self.slopes(case)
            marker = {"color": f"C{number}", "marker": "os^"[number % 3]}
            left.loglog(depths, sizes, label=f"{case}: slope {absolute:.3f}", **marker)
            right.loglog(depths, np.array(sizes) / theoretical, label=f"{case}: slope {relative:.3f}", **marker)
        first = next(iter(self.sizes.values()))[0]
        left.loglog(depths, first * np.sqrt(depths / depths[0]) * 0.8, "k:", label="√n")
        right.loglog(depths, first / theoretical[0] * np.sqrt(depths[0] / depths) * 0.8, "k:", label="1/√n")
        for axes, label in ((left, "effective size (pixels)"), (right, "effective / theoretical size")):
            axes.set_xticks(self.depths, map(str, self.depths))
            axes.minorticks_off()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.set_xlabel("convolutions, n")
            axes.set_ylabel(label)
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)
        figure.suptitle("effective receptive field over depth")

    def _theoretical(self, depth: int) -> int:
        return depth * (self.kernel - 1) + 1


def luo_law(
    depths: Sequence[int] = tuple(range(5, 41, 5)),
    channels: int = 16,
    kernel: int = 3,
    runs: int = 20,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> LuoLaw:
    """Measure effective receptive fields of chains of convolutions without biases, of stride 1.

    Each chain takes an image just as large as its theoretical field, so that its output is one pixel.

    Args:
        depths: numbers of convolutions.
        channels: of every map.
        kernel: rows and columns of each convolution, odd.
        runs: draws of weights and of the image for each depth.
        seed: of both.
        advance: called after every depth of every case.

    Raises:
        ValueError: fewer than two depths, or a number that is not positive.
    """
    if len(set(depths)) < 2 or min([*depths, channels, runs]) < 1 or kernel < 2:
        raise ValueError(
            "luo_law: needs two depths at least, positive numbers and a kernel of 2 or more; got depths "
            f"{list(depths)}, channels {channels}, kernel {kernel}, runs {runs}"
        )
    sizes: dict[str, tuple[float, ...]] = {}
    deviations = []
    for case in CASES:
        random = np.random.default_rng(seed)
        measured = []
        for depth in depths:
            field = _measured(case, depth, channels, kernel, runs, random)
            measured.append(field.size)
            if case == CASES[0]:
                deviations.append(field.spread[0])
            advance()
        sizes[case] = tuple(measured)
    return LuoLaw(tuple(depths), kernel, runs, sizes, tuple(deviations))


def _measured(
    case: str, depth: int, channels: int, kernel: int, runs: int, random: np.random.Generator
) -> EffectiveField:
    uniform = case == CASES[0]
    side = depth * (kernel - 1) + 1
    width = 1 if uniform else channels  # channels that are all alike only multiply the gradient
    net = chain(depth, width, kernel, rectified="ReLU" in case)

    def one(_: int) -> np.ndarray:
        draw_weights(net, None if uniform else random)
        gradient = centre_gradient(net, random.standard_normal((1, side, side, width)))
        return gradient / max(gradient.max(), np.finfo(float).tiny)

    return EffectiveField(mean_field(one, 1 if uniform else runs), case, ((0, side - 1), (0, side - 1)))


def chain(depth: int, channels: int, kernel: int, rectified: bool = False) -> Sequential:
    """So many convolutions without bias or padding, with ReLU between them if ``rectified``; float64."""
    with init.skipped():
        layers: list[Module] = []
        for number in range(depth):
            layers.append(Conv2d(channels, channels, kernel, bias=False))
            if rectified and number < depth - 1:
                layers.append(ReLU())
        return Sequential(*layers).astype(np.float64)


def draw_weights(net: Module, random: np.random.Generator | None) -> None:
    """N(0, 2 / fan in) weights, or, without a generator, kernels whose taps are all alike."""
    with no_grad():
        for parameter in net.parameters():
            if random is None:
                parameter.copy_(np.full(parameter.shape, 1.0 / math.prod(parameter.shape[:-1])))
            else:
                parameter.copy_(he_normal(random, parameter.shape))
