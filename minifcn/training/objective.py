"""What training minimises: a weighted sum of losses of logits (N, H, W, K), written as an expression.

cross_entropy
jaccard(power=1)
cross_entropy + 0.5*dice + 0.1*cldice(iterations=5)
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from minifcn import functional as F
from minifcn import settings
from minifcn.data.dataset import Task
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.targets import Kind, Target, WeightedLabel, mapped, without_weights
from minifcn.functional.loss import Empty
from minifcn.tensor import Tensor
from minifcn.training.config import ConfigError

Activation = Literal["softmax", "sigmoid", "identity"]


class Objective:
    """The loss that an expression names: (logits, target) -> scalar Tensor. `objective` makes it.

    Attributes:
        expression: what it was made from.
        activation: what turns the logits into predictions: "softmax" for one class a pixel, "sigmoid" for a yes or no
            of each class, "identity" for values.
    """

    def __init__(
        self, expression: str, terms: tuple[_Term, ...], activation: Activation, class_weights: np.ndarray | None
    ):
        self.expression, self.activation = expression, activation
        self._terms, self._class_weights = terms, class_weights

    def __call__(self, logits: Tensor, target: Any) -> Tensor:
        """The loss of logits (N, H, W, K), or (N, K) where one class is asked of an image, and a batch's target.

        Pixels that are labelled `IGNORE_INDEX` do not count. The weights of a `WeightedLabel` go into cross_entropy,
        focal and bce; the other losses do not take any, and see only the classes.

        Raises:
            ValueError: the target does not fit the logits, or is not of the kind that the losses need.
        """
        case = _Case(logits, target, self.activation, self._class_weights)
        return functools.reduce(operator.add, (_scaled(term.weight, term.loss(case)) for term in self._terms))

    @property
    def weighs(self) -> bool:
        """Whether weights of classes and pixels make a difference."""
        return any(_LOSSES[term.name].weighs for term in self._terms)

    def check_task(self, task: Task) -> None:
        """Refuse a dataset that asks for classes where the loss is one of values, and the other way round.

        Raises:
            ConfigError: they do not fit.
        """
        values = self.activation == "identity"
        if values != (task == "regression"):
            kinds = "values, as mse does" if task == "regression" else "classes, as cross_entropy does"
            raise ConfigError(f"loss {self.expression!r}: the dataset needs a loss of {kinds}")

    def __repr__(self) -> str:
        return f"Objective({self.expression!r}, activation={self.activation!r})"


def objective(expression: str, class_weights: Iterable[float] = ()) -> Objective:
    """The loss that an expression describes: losses by name, with options in parentheses, added up with weights.

    ::

        loss           options                                            predictions
        cross_entropy  label_smoothing=0.0                                softmax
        focal          gamma=2.0, alpha=None (sigmoid only)               softmax or sigmoid
        bce                                                               sigmoid
        dice           smooth=0.0, empty="ignore"                         softmax or sigmoid
        jaccard        power=1 (the lecture's j; 2 is j2), smooth, empty  softmax or sigmoid
        tversky        alpha=0.3, beta=0.7, smooth, empty                 softmax or sigmoid
        cldice         iterations=10, smooth=1.0, empty                   softmax or sigmoid
        tv             isotropic=False                                    any
        mse                                                               identity: for datasets of values

    All losses of a sum see the same predictions: softmax where all of them can, else sigmoid, else the logits
    themselves. ``activation="sigmoid"``, an option of every loss that has the choice, decides otherwise. With sigmoid,
    each class is a question of its own: is the pixel of it?

    Overlap losses take each class of the whole batch as one region; with empty="ignore" a class that is absent from
    every image of the batch is left out. cldice does so with every class but 0, the background, unless there is no
    other. `minifcn.functional` has the formulas.

    Args:
        expression: such as "cross_entropy + 0.5*dice".
        class_weights: one a class, for cross_entropy, focal and bce; overlap losses balance classes by themselves.

    Raises:
        ConfigError: not such an expression, an unknown loss or option, a value out of range, or losses that need
            different predictions.

    >>> objective("bce + jaccard(power=1)")
    Objective('bce + jaccard(power=1)', activation='sigmoid')
    """
    terms = tuple(_term(node, expression) for node in _addends(_parsed(expression), expression))
    common = [choice for choice in _ACTIVATIONS if all(choice in term.activations for term in terms)]
    if not common:
        needs = "; ".join(f"{term.name} needs {' or '.join(term.activations)}" for term in terms)
        raise ConfigError(f"loss {expression!r}: its losses see different predictions: {needs}; choose one kind")
    weights = np.asarray(tuple(class_weights), np.float32)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ConfigError(f"class weights must be finite and not negative, got {weights.tolist()}")
    made = Objective(expression, terms, common[0], weights if weights.size else None)
    _try(made, weights.size or 2)
    return made


def balanced(fractions: Iterable[float]) -> tuple[float, ...]:
    """Weights that make all classes count the same: 1 / (K f) for a class that fills the fraction f of all pixels.

    A class that never occurs gets 0.

    >>> balanced([0.75, 0.25, 0.0])
    (0.666667, 2.0, 0.0)
    """
    shares = list(fractions)
    present = sum(share > 0 for share in shares)
    return tuple(round(1.0 / (present * share), 6) if share > 0 else 0.0 for share in shares)


def crop_to(labels: Target, size: tuple[int, int]) -> Target:
    """The centre of labels (N, H, W) or (N, H, W, K), as large as the output: without padding it loses a border.

    >>> crop_to(np.arange(16).reshape(1, 4, 4), (2, 2)).tolist()
    [[[5, 6], [9, 10]]]
    """

    def centre(labels: np.ndarray, kind: Kind) -> np.ndarray:
        top, left = (labels.shape[1] - size[0]) // 2, (labels.shape[2] - size[1]) // 2
        return labels[:, top : top + size[0], left : left + size[1]]

    return mapped(labels, centre)


# --- the losses: functions of a case, whose keyword arguments are the options -----------------------------------------


@dataclass
class _Case:
    """Logits and a target, and what several losses make of them, once."""

    logits: Tensor
    target: Any
    activation: Activation
    class_weights: np.ndarray | None = None

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Class numbers (...): the logits' shape without its last axis."""
        labels = np.asarray(without_weights(self.target))
        if labels.dtype.kind not in "iu" or labels.shape != self.logits.shape[:-1]:
            raise ValueError(
                f"loss: logits {self.logits.shape} need class numbers of shape {self.logits.shape[:-1]}, got "
                f"{labels.dtype} of shape {labels.shape}; datasets of values are for the loss mse"
            )
        return labels

    @property
    def pixel_weight(self) -> np.ndarray | None:
        """(...) of a `WeightedLabel`."""
        return self.target.weight if isinstance(self.target, WeightedLabel) else None

    @functools.cached_property
    def counted(self) -> np.ndarray:
        """(..., 1): whether a pixel counts."""
        return (self.labels != IGNORE_INDEX)[..., None]

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """(..., K): one-hot labels, 0 where a pixel does not count."""
        return (self.labels[..., None] == np.arange(self.logits.shape[-1])).astype(self.logits.dtype)

    @functools.cached_property
    def predictions(self) -> Tensor:
        """(..., K): probabilities, or the logits themselves."""
        if self.activation == "softmax":
            return F.softmax(self.logits)
        return F.sigmoid(self.logits) if self.activation == "sigmoid" else self.logits

    @functools.cached_property
    def regions(self) -> tuple[Tensor, np.ndarray]:
        """Probabilities and truth, both 0 where a pixel does not count."""
        return self.predictions * self.counted.astype(self.logits.dtype), self.truth

    @property
    def batch_axes(self) -> tuple[int, ...]:
        """All axes but that of the classes: the whole batch is one region a class."""
        return tuple(range(self.logits.ndim - 1))

    def mean_of_questions(self, loss: Callable[..., Tensor]) -> Tensor:
        """The mean of a loss of every class's yes or no, weighted as pixels and their classes are."""
        weight = self.counted.astype(self.logits.dtype)
        if self.pixel_weight is not None:
            weight = weight * self.pixel_weight[..., None]
        if self.class_weights is not None:
            weight = weight * self.class_weights[np.where(self.counted, self.labels[..., None], 0)]
        weight = weight.astype(self.logits.dtype)
        total = float(weight.sum(dtype=np.float64)) * self.logits.shape[-1]
        each = F.where(weight != 0, loss(self.logits, self.truth, reduction="none") * weight, 0.0)
        return F.sum(each) * (1.0 / total if total else 1.0)


def _cross_entropy(case: _Case, *, label_smoothing: float = 0.0) -> Tensor:
    return F.cross_entropy(
        case.logits,
        case.labels,
        weight=case.class_weights,
        ignore_index=IGNORE_INDEX,
        pixel_weight=case.pixel_weight,
        label_smoothing=label_smoothing,
    )


def _bce(case: _Case) -> Tensor:
    return case.mean_of_questions(F.binary_cross_entropy_with_logits)


def _focal(case: _Case, *, gamma: float = 2.0, alpha: float | None = None) -> Tensor:
    if case.activation == "sigmoid":
        return case.mean_of_questions(functools.partial(F.sigmoid_focal_loss, gamma=gamma, alpha=alpha))
    if alpha is not None:
        raise ValueError("focal: alpha weighs yes against no, which softmax does not ask; class weights weigh classes")
    return F.focal_loss(
        case.logits, case.labels, gamma, case.class_weights, IGNORE_INDEX, pixel_weight=case.pixel_weight
    )


def _dice(case: _Case, *, smooth: float = 0.0, empty: Empty = "ignore") -> Tensor:
    return F.dice_loss(*case.regions, empty=empty, axis=case.batch_axes, smooth=smooth)


def _jaccard(case: _Case, *, power: float = 1, smooth: float = 0.0, empty: Empty = "ignore") -> Tensor:
    return F.jaccard_loss(*case.regions, power=power, empty=empty, axis=case.batch_axes, smooth=smooth)


def _tversky(
    case: _Case, *, alpha: float = 0.3, beta: float = 0.7, smooth: float = 0.0, empty: Empty = "ignore"
) -> Tensor:
    return F.tversky_loss(*case.regions, alpha, beta, empty=empty, axis=case.batch_axes, smooth=smooth)


def _cldice(case: _Case, *, iterations: int = 10, smooth: float = 1.0, empty: Empty = "ignore") -> Tensor:
    objects = slice(min(1, case.logits.shape[-1] - 1), None)  # without background, unless there is no other class
    probabilities, truth = (region[..., objects] for region in case.regions)
    return F.cldice_loss(probabilities, truth, iterations, empty=empty, axis=case.batch_axes, smooth=smooth)


def _tv(case: _Case, *, isotropic: bool = False) -> Tensor:
    values = case.activation == "identity"  # they all count
    return F.total_variation(case.predictions, isotropic, mask=None if values else case.counted)


def _mse(case: _Case) -> Tensor:
    if isinstance(case.target, WeightedLabel) or np.asarray(case.target).dtype.kind != "f":
        raise ValueError("mse: needs values, such as a density; class numbers have no distances")
    return F.mse_loss(case.logits, case.target)


class _Loss(NamedTuple):
    function: Callable[..., Tensor]
    activations: tuple[Activation, ...]
    weighs: bool = False  # takes weights of classes and pixels


_ACTIVATIONS: tuple[Activation, ...] = ("softmax", "sigmoid", "identity")
_LOSSES: dict[str, _Loss] = {
    "cross_entropy": _Loss(_cross_entropy, ("softmax",), weighs=True),
    "focal": _Loss(_focal, ("softmax", "sigmoid"), weighs=True),
    "bce": _Loss(_bce, ("sigmoid",), weighs=True),
    "dice": _Loss(_dice, ("softmax", "sigmoid")),
    "jaccard": _Loss(_jaccard, ("softmax", "sigmoid")),
    "tversky": _Loss(_tversky, ("softmax", "sigmoid")),
    "cldice": _Loss(_cldice, ("softmax", "sigmoid")),
    "tv": _Loss(_tv, _ACTIVATIONS),
    "mse": _Loss(_mse, ("identity",)),
}


# --- the expression ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Term:
    """Weight times loss."""

    name: str
    activations: tuple[Activation, ...]
    options: dict[str, Any] = field(default_factory=dict)
    weight: float = 1.0

    def loss(self, case: _Case) -> Tensor:
        return _LOSSES[self.name].function(case, **self.options)


def _parsed(expression: str) -> ast.expr:
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # ValueError: null bytes; the others: too long
        raise _not_an_expression(expression) from None


def _addends(node: ast.expr, expression: str) -> list[ast.expr]:
    """The terms of a + b + c, in this order."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_addends(node.left, expression), *_addends(node.right, expression)]
    return [node]


def _term(node: ast.expr, expression: str) -> _Term:
    """One of: name, name(option=value, ...), number * either, either * number."""
    weight = 1.0
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        number, node = (node.left, node.right) if isinstance(node.left, ast.Constant) else (node.right, node.left)
        weight = number.value if isinstance(number, ast.Constant) else None  # type: ignore[assignment]
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < math.inf:
            raise _not_an_expression(expression)
    called = node if isinstance(node, ast.Call) else None
    named = called.func if called else node
    if not isinstance(named, ast.Name) or (called and called.args):
        raise _not_an_expression(expression)
    if named.id not in _LOSSES:
        raise ConfigError(f"unknown loss {named.id!r}; losses: {', '.join(_LOSSES)}")
    options = _options(named.id, called.keywords if called else [], expression)
    allowed = _LOSSES[named.id].activations
    if "activation" in options:
        chosen = options.pop("activation")
        if chosen not in allowed:
            raise ConfigError(f"loss {named.id}: activation must be {' or '.join(map(repr, allowed))}, not {chosen!r}")
        allowed = (chosen,)
    return _Term(named.id, allowed, options, float(weight))


def _options(name: str, keywords: list[ast.keyword], expression: str) -> dict[str, Any]:
    """The literals in a loss's parentheses, whose names it knows."""
    parameters = inspect.signature(_LOSSES[name].function).parameters.values()
    known = [*(p.name for p in parameters if p.kind is p.KEYWORD_ONLY), "activation"]
    options = {}
    for keyword in keywords:
        if keyword.arg not in known:
            raise ConfigError(f"loss {name} has no option {keyword.arg!r}; options: {', '.join(known)}")
        try:
            options[keyword.arg] = ast.literal_eval(keyword.value)
        except ValueError:
            raise _not_an_expression(expression) from None
        value = options[keyword.arg]
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"loss {name}: {keyword.arg} must be finite, got {value}")
    return options


def _not_an_expression(expression: str) -> ConfigError:
    return ConfigError(
        f"loss {expression!r} is not a sum of losses; write it like 'cross_entropy', 'jaccard(power=1)' or "
        f"'cross_entropy + 0.5*dice'. Losses: {', '.join(_LOSSES)}"
    )


def _scaled(weight: float, loss: Tensor) -> Tensor:
    return loss if weight == 1.0 else weight * loss


def _try(made: Objective, classes: int) -> None:
    """Compute the loss of four pixels: values out of range are errors now, not at the first step."""
    values = made.activation == "identity"
    target = np.zeros((1, 2, 2, classes), np.float32) if values else np.zeros((1, 2, 2), np.int64)
    with settings.device("reference"):  # which compiles nothing
        try:
            loss = made(Tensor(np.zeros((1, 2, 2, classes), np.float32), device="reference"), target).item()
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"loss {made.expression!r}: {error}") from None
    if not math.isfinite(loss):
        raise ConfigError(f"loss {made.expression!r}: is {loss} for four pixels; give its options finite values")
