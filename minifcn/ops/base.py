"""What all operations on kernels share."""

from types import ModuleType

from minifcn.autograd import Operation
from minifcn.kernels import load


class KernelOperation(Operation):
    """An operation whose forward is a kernel of the device that its inputs are on."""

    @property
    def kernels(self) -> ModuleType:
        """The device's kernels."""
        return load(self.device)
