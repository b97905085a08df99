"""Apply a trained network to images of any size."""

from minifcn.prediction.predictor import Predictor, SizedNetwork, margins

__all__ = ["Predictor", "SizedNetwork", "margins"]
