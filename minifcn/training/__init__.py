"""Training a network on a dataset: reproducible, resumable, and written down in a folder."""

from minifcn.training.config import ConfigError, TrainConfig
from minifcn.training.evaluation import Evaluation, evaluate
from minifcn.training.progress import ConsoleReporter, Reporter
from minifcn.training.run import Run, RunError
from minifcn.training.trainer import Trainer, TrainingError

__all__ = [
    "ConfigError",
    "ConsoleReporter",
    "Evaluation",
    "Reporter",
    "Run",
    "RunError",
    "TrainConfig",
    "Trainer",
    "TrainingError",
    "evaluate",
]
