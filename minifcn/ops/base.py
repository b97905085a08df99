"""What all operations on kernels share."""

from types import ModuleType

from minifcn.autograd import Operation
from minifcn.kernels import load
from minifcn.kernels.shapes import Pair


class KernelOperation(Operation):
    """An operation whose forward is a kernel of the device that its inputs are on."""

    @property
    def kernels(self) -> ModuleType:
        """The device's kernels."""
        return load(self.device)

    def after_recomputed(self) -> bool:
        """Whether an input can be computed again, so that this output, made of it by a copy, can be, too."""
        return any(isinstance(parent, Operation) and parent.recomputes for parent in self.parents)

    def image_size(self, position: int) -> Pair:
        """Height and width of an input of images (N, H, W, C)."""
        _, height, width, _ = self.input_shape(position)
        return height, width
