"""The figure of an equivariance report: errors by shift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minifcn.io.figures import BLACK, BLUE, GREEN, ORANGE, VERMILION

if TYPE_CHECKING:
    from minifcn.audit.shifts.equivariance import Equivariance


def draw_equivariance(report: Equivariance, figure: Any) -> None:
    """Left, the largest errors along both axes; right, those of all shifts, or RMS errors if not all were measured."""
    left, right = figure.subplots(1, 2)
    curves: list[tuple[str, dict[int, float], str, str]] = [
        ("rows", report.along(0), BLUE, "o-"),
        ("columns", report.along(1), GREEN, "s--"),
        ("both", report.along(None), BLACK, "^:"),
    ]
    if report.scaled:
        curves.append(("both, strict sense", report.along(None, strict=True), ORANGE, "v-."))
    if report.blurred is not None:
        curves.append(("both, with BlurPool", report.blurred.along(None), VERMILION, "D-"))
    draw_errors(left, curves)
    left.set(xlabel="shift of the image, pixels", ylabel="max |f(T x) − T f(x)| / max |f(x)|", title="largest error")
    if _full(report):
        _draw_map(report, figure, right)
    else:
        rms = [("both", report.diagonal_rms(), BLACK, "^:")]
        if report.blurred is not None:
            rms.append(("both, with BlurPool", report.blurred.diagonal_rms(), VERMILION, "D-"))
        draw_errors(right, rms)
        right.set(xlabel="shift of rows and columns, pixels", ylabel="RMS error / RMS of f(x)", title="RMS error")
    figure.suptitle(f"{report.subject}: equivariance to shifts")


def draw_errors(axes: Any, curves: list[tuple[str, dict[int, float], str, str]]) -> None:
    """Errors by shift on a logarithmic axis, with a line below it for those that are exactly zero."""
    values = [v for _, curve, _, _ in curves for v in curve.values() if v > 0 and np.isfinite(v)]
    low, high = (min(values), max(values)) if values else (0.1, 1.0)
    floor = 10.0 ** (np.floor(np.log10(low)) - 1)
    for label, curve, colour, style in curves:
        shown = [floor if error == 0.0 else error for error in curve.values()]
        axes.plot(list(curve), shown, style, color=colour, label=label, markersize=4, linewidth=1.2, alpha=0.85)
    axes.set_yscale("log")
    axes.set_ylim(floor / 2, high * 3)
    mark_zero(axes, floor)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)  # below: curves are anywhere


def mark_zero(axes: Any, floor: float) -> None:
    """A line at ``floor`` of a logarithmic axis that stands for exactly zero, and says so."""
    from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation

    powers = LogFormatterSciNotation()
    powers.set_axis(axes.yaxis)
    axes.axhline(floor, color="0.6", linewidth=0.8, zorder=0)

    def words(value: float, at: int | None = None) -> str:
        return "exactly 0" if np.isclose(value, floor, rtol=1e-6, atol=0.0) else powers(value, at)

    axes.yaxis.set_major_formatter(FuncFormatter(words))


def _full(report: Equivariance) -> bool:
    return any(shift.rows and shift.columns and shift.rows != shift.columns for shift in report.shifts)


def _draw_map(report: Equivariance, figure: Any, axes: Any) -> None:
    """Largest errors over rows and columns; exact zeros are white and crossed."""
    from matplotlib.colors import LogNorm, Normalize

    height = 1 + max(shift.rows for shift in report.shifts)
    width = 1 + max(shift.columns for shift in report.shifts)
    errors = np.zeros((height, width))
    for shift in report.shifts:
        errors[shift.rows, shift.columns] = shift.general.largest
    zeros = np.argwhere(errors == 0.0)
    axes.plot(zeros[:, 1], zeros[:, 0], "x", color="0.3", markersize=5, label="exactly 0")
    if (errors > 0).any():
        shown = np.ma.masked_where(errors == 0.0, errors)
        least, most = float(shown.min()), float(shown.max())
        # Logarithmic only where errors differ by much: within a decade, its axis would have hardly a number.
        norm = LogNorm(least, most) if most > 10 * least else Normalize(0.0, most)
        image = axes.imshow(shown, norm=norm, cmap="cividis", interpolation="nearest")
        figure.colorbar(image, ax=axes, label="largest error, relative")
    axes.set(
        xlabel="shift of columns, pixels", ylabel="shift of rows, pixels", title="all shifts (× : exactly 0)",
        xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal",
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True)
