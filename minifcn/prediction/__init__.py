"""Apply a trained network to images of any size."""

from minifcn.models.sized import SizedNetwork, margins
from minifcn.prediction.images import predict
from minifcn.prediction.predictor import Predictor
from minifcn.prediction.prepared import Prepared
from minifcn.prediction.proof import Proof
from minifcn.prediction.proving import prove
from minifcn.prediction.tiling import Tile, TileOptions, Tiling

__all__ = [
    "Predictor",
    "Prepared",
    "Proof",
    "SizedNetwork",
    "Tile",
    "TileOptions",
    "Tiling",
    "margins",
    "predict",
    "prove",
]
