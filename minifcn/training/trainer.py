"""The training loop: steps, reports, validations, checkpoints; and the way back into it after any interruption."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from minifcn import optim, random, settings
from minifcn.data import Dataset, Target
from minifcn.io import read_weights
from minifcn.kernels import HOST
from minifcn.optim.clip import clip_grad_norm_on_device
from minifcn.settings import get_num_threads
from minifcn.tensor import Tensor
from minifcn.training import figures
from minifcn.training.build import build_model, build_optimizer, build_predictor, build_schedule, complete
from minifcn.training.config import ConfigError
from minifcn.training.evaluation import evaluate
from minifcn.training.loading import build_loader
from minifcn.training.objective import crop_to, objective
from minifcn.training.progress import Reporter
from minifcn.training.run import Run, check_classes

if TYPE_CHECKING:
    from minifcn.cuda import Readback

_STEPS_A_ROW = 10  # of metrics.csv
_SECONDS_BETWEEN_SAVES = 30.0
_SECONDS_BETWEEN_DRAWINGS = 60.0
_STATE = "optimizer."


class TrainingError(RuntimeError):
    """A training that cannot go on; the message says where it stopped and what to try."""


class Trainer:
    """Trains the network of a run.

    Everything a step depends on is either a function of the step's number (batch, learning rate) or in the checkpoint
    (weights, optimiser, random state). So a training that was killed and resumed ends with the same bits as one that
    was not, on the same machine with the same number of threads.

    Args:
        run: the folder and the configuration, which is completed by what the training set decides.
        train: the training set.
        validation: the validation set.
        reporter: told about everything.
        device: where the network is trained; checkpoints know nothing of it, so a run may go on elsewhere.
    """

    def __init__(
        self,
        run: Run,
        train: Dataset,
        validation: Dataset,
        reporter: Reporter | None = None,
        device: str | None = None,
    ):
        if len(validation) == 0:
            raise ConfigError(f"{validation.name}: holds no images to validate on")
        config = self.config = complete(run.config, train)
        run.adopt(config)
        self.run, self.train_set, self.validation_set = run, train, validation
        self.reporter = reporter or Reporter()
        self.device = device or settings.device()
        random.manual_seed(config.seed)
        with settings.device("cpu"):  # the same weights, wherever they go
            self.model = build_model(config, train.channels, train.num_classes)
        self.model.to(self.device)
        self.loss = objective(config.loss, config.class_weights)
        self.loss.check_task(train.task)
        self.optimizer = build_optimizer(config, self.model)
        self.schedule = build_schedule(config, self.optimizer)
        self.loader = build_loader(config, train)
        self.predictor = build_predictor(config, self.model, train.classes, train.scale)
        self.step_number = 0
        self.best: float | None = None
        self.seconds = 0.0
        self._last = math.nan  # the newest loss that is known
        self._losses: list[float] = []  # since the last row of metrics.csv
        self._late: tuple[Readback, Readback] | None = None  # loss and norm of the last step, on their way from a GPU

    # --- the loop ---------------------------------------------------------------------------------------------------

    def train(self) -> bool:
        """Train until the last step, or until Ctrl-C; return whether it was the last step.

        Raises:
            TrainingError: the loss or its gradient became NaN or infinite.
        """
        config, started = self.config, time.monotonic() - self.seconds
        if self.step_number == config.steps:
            if not (self.run.folder / "preview.png").exists():  # killed between the last step and the drawing
                self.draw()
            return True
        if config.pretrained and self.step_number == 0:  # later on, weights come from the checkpoint
            self.model.load_pretrained(read_weights(config.pretrained))
        if self.step_number == 0:
            figures.draw_batch(self.run.folder / "batch.png", *self.loader.batch(0), self.train_set.classes)
        self.reporter.begin(self.step_number, config.steps)
        saved = drawn = tick = time.monotonic()
        with _StopRequest(self.reporter) as stop:
            for images, labels in self._batches(self.step_number, config.steps):
                self._losses += self._step(images, labels)
                self.step_number += 1
                if self.step_number == config.steps or self.step_number % _STEPS_A_ROW == 0 or stop.requested:
                    self._losses += self._arrived()
                self.seconds = time.monotonic() - started
                if self._losses:
                    self._last = self._losses[-1]
                self.reporter.step(self.step_number, self._last, len(images) / (time.monotonic() - tick))
                validated = self._report()
                if stop.requested or validated or time.monotonic() - saved > _SECONDS_BETWEEN_SAVES:
                    self._losses += self._arrived()
                    self._save()
                    saved = time.monotonic()
                if validated and time.monotonic() - drawn > _SECONDS_BETWEEN_DRAWINGS:
                    self.draw()
                    drawn = time.monotonic()
                if stop.requested:
                    break
                tick = time.monotonic()
        self.draw()
        return self.step_number == config.steps

    def _batches(self, start: int, stop: int) -> Iterator[tuple[Any, Target]]:
        """Images on the device, the next ones on their way, and labels on the host, where losses look at them."""
        batches = self.loader.batches(start, stop)
        if self.device in HOST:
            return batches
        from minifcn.cuda import prefetched

        return prefetched(batches, self.device)

    def _step(self, images: Any, labels: Target) -> list[float]:
        """One step; returns losses that are known now: this one's, or on a GPU the one before."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(self.step_number)
        self.optimizer.zero_grad()  # here, so that the last step's gradients do not lie beside this one's maps
        logits = self.model(images if isinstance(images, Tensor) else Tensor(images, device=self.device))
        loss = self.loss(logits, crop_to(labels, logits.shape[1:3]))
        if self.device not in HOST:
            return self._update_without_waiting(loss)
        value = float(loss.item())
        if not math.isfinite(value):
            self._refuse("loss", value)
        loss.backward()
        norm = optim.clip_grad_norm(self.model.parameters(), self.config.clip or math.inf)
        if not math.isfinite(norm):  # before it gets into the weights, and from there into a checkpoint
            self._refuse("gradient's norm", norm)
        self.optimizer.step()
        return [value]

    def _update_without_waiting(self, loss: Tensor) -> list[float]:
        """Give the GPU the rest of the step; look at loss and norm of the step before, which have come meanwhile.

        Numbers that are not finite are found a step late: weights are spoilt then, but no checkpoint is.
        """
        from minifcn.cuda import Readback

        loss.backward()
        norm = clip_grad_norm_on_device(self.model.parameters(), self.config.clip or math.inf)
        self.optimizer.step()
        losses = self._arrived()
        self._late = Readback(loss.detach()), Readback(norm)
        return losses

    def _arrived(self) -> list[float]:
        """The loss that was on its way from the GPU, if one was."""
        if self._late is None:
            return []
        (loss, norm), self._late = (float(late.value()) for late in self._late), None
        for what, value in (("loss", loss), ("gradient's norm", norm)):
            if not math.isfinite(value):
                self._refuse(what, value)
        return [loss]

    def seconds_a_step(self, warm_up: int, timed: int) -> float:
        """Train for a few steps that nobody counts; the mean seconds of those after the first ``warm_up``.

        The first ones compile kernels and warm up the caches. The trainer should be thrown away afterwards.
        """
        for images, labels in self._batches(0, warm_up):
            self._step(images, labels)
        self._arrived()
        begin = time.monotonic()
        for images, labels in self._batches(warm_up, warm_up + timed):
            self._step(images, labels)
        self._arrived()
        return (time.monotonic() - begin) / timed

    def _rate(self, step: int) -> float:
        return self.schedule.lr(step, self.config.lr)

    def _refuse(self, what: str, value: float) -> None:
        indices = ", ".join(str(index) for index in self.loader.indices(self.step_number))
        rate = self._rate(self.step_number)
        raise TrainingError(
            f"the {what} became {value} at step {self.step_number + 1} (images {indices} of {self.train_set.name}; "
            f"learning rate {rate:.2g}); try a lower one, such as --lr {self.config.lr / 10:.1g}"
            + ("; the last checkpoint is intact" if self.run.has("last") else "")
        )

    # --- reports ----------------------------------------------------------------------------------------------------

    def _report(self) -> bool:
        """Write a row of metrics.csv if one is due, with a validation if that is due; return whether it was."""
        last = self.step_number == self.config.steps
        validate = last or self.step_number % self.config.validate_every == 0
        if not (validate or self.step_number % _STEPS_A_ROW == 0):
            return False
        row = {
            "step": float(self.step_number),
            "epoch": self.step_number / len(self.loader),
            "lr": self._rate(self.step_number - 1),
            "loss": float(np.mean(self._losses)),
            "seconds": round(self.seconds, 2),
        }
        self._losses = []
        if validate:
            # The same images every time: "best" compares scores.
            limit = self.config.validation_images
            evaluation = evaluate(self.predictor, self.validation_set, limit, progress=self.reporter.validating)
            scores = evaluation.scalars()
            row |= {f"val_{name}": score for name, score in scores.items() if math.isfinite(score)}
            self.reporter.validated(self.step_number, scores)
            self._keep_if_best(evaluation.goodness)
        self.run.report(row)
        return validate

    def _keep_if_best(self, goodness: float) -> None:
        """Save the network if it is better than all before; one whose score is NaN only if there is nothing else."""
        better = math.isfinite(goodness) and (self.best is None or goodness > self.best)
        if better:
            self.best = goodness
        if better or not self.run.has("best"):
            self.run.save("best", self.model, self._values())

    def draw(self) -> None:
        """Draw curves.png and preview.png."""
        figures.draw_curves(self.run.folder / "curves.png", self.run.rows)
        figures.draw_preview(self.run.folder / "preview.png", self.predictor, self.validation_set)

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Continue from the ``last`` checkpoint; from the beginning, if the run was interrupted before it had one."""
        if self.run.has("last"):
            arrays, values = self.run.restore("last", self.model)
            check_classes(tuple(values["classes"]), self.train_set)
            self.optimizer.load_state_dict(_unflatten(arrays, values["optimizer"]))
            random.set_state(values["random"])
            self.step_number, self.best = values["step"], values["best"]
            self.seconds, self._losses = values["seconds"], values["losses"]
            if values["threads"] != get_num_threads():
                self.reporter.note(
                    f"warning: the run used {values['threads']} threads, this process uses {get_num_threads()}: sums "
                    "will be rounded differently; NUMBA_NUM_THREADS sets their number"
                )
        self.run.keep_rows_until(self.step_number)

    def _save(self) -> None:
        state = self.optimizer.state_dict()
        arrays, rest = _flatten(state)
        self.run.save("last", self.model, {**self._values(), "optimizer": rest}, arrays)

    def _values(self) -> dict[str, Any]:
        return {
            "step": self.step_number,
            "best": self.best,
            "seconds": self.seconds,
            "losses": self._losses,
            "random": random.get_state(),
            "classes": list(self.train_set.classes),
            "channels": self.train_set.channels,
            "scale": self.train_set.scale,
            "threads": get_num_threads(),
        }


def estimate_steps(trainer: Trainer, minutes: float) -> int:
    """How many steps take ``minutes``: times a few on a trainer that is thrown away afterwards.

    A twentieth of the time is left for validations.
    """
    return max(1, int(0.95 * minutes * 60 / trainer.seconds_a_step(3, 8)))


class _StopRequest:
    """Turns the first Ctrl-C (or SIGTERM) into a request to stop after the step; the second one interrupts at once."""

    def __init__(self, reporter: Reporter) -> None:
        self.requested = False
        self.reporter = reporter
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _StopRequest:
        if threading.current_thread() is threading.main_thread():  # signals belong to that thread alone
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self.reporter.note("stopping after this step; once more to stop at once, without saving")


# An optimiser's state is {"state": {parameter: {name: array or number}}, "param_groups": [...]}. Arrays go into the
# file as such, under "optimizer.<parameter>.<name>"; the rest is JSON, whose keys are strings.


def _flatten(state: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays: dict[str, np.ndarray] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for parameter, entries in state["state"].items():
        numbers[str(parameter)] = {}
        for name, value in entries.items():
            if isinstance(value, np.ndarray):
                arrays[f"{_STATE}{parameter}.{name}"] = value
            else:
                numbers[str(parameter)][name] = value
    return arrays, {"state": numbers, "param_groups": state["param_groups"]}


def _unflatten(arrays: dict[str, np.ndarray], rest: dict[str, Any]) -> dict[str, Any]:
    state = {int(parameter): dict(entries) for parameter, entries in rest["state"].items()}
    for key, array in arrays.items():
        parameter, name = key.removeprefix(_STATE).split(".", 1)
        state[int(parameter)][name] = array
    return {"state": state, "param_groups": rest["param_groups"]}
