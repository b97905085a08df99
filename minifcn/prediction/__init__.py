"""Apply a trained network to images of any size."""

from minifcn.prediction.canvas import SizedNetwork, margins
from minifcn.prediction.predictor import Predictor
from minifcn.prediction.prepared import Prepared
from minifcn.prediction.tiling import Tile, TileOptions, Tiling

__all__ = ["Predictor", "Prepared", "SizedNetwork", "Tile", "TileOptions", "Tiling", "margins"]
