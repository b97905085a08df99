"""ResNet (He, Zhang, Ren & Sun 2016): its convolutions, as an encoder."""

from __future__ import annotations

from minifcn import functional as F
from minifcn.models.encoder import Encoder
from minifcn.models.options import check_choice, check_positive
from minifcn.nn import BatchNorm2d, Conv2d, Identity, MaxPool2d, Module, Sequential
from minifcn.tensor import Tensor


class BasicBlock(Module):
    """ReLU(x + two 3 x 3 convolutions): (N, H, W, C_in) -> (N, H / stride, W / stride, width)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int):
        self.conv1 = Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(width, activation="relu")
        self.conv2 = Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(width)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        return F.relu(y + self.downsample(x))


class Bottleneck(Module):
    """ReLU(x + 1 x 1, 3 x 3 and 1 x 1 convolutions): (N, H, W, C_in) -> (N, H / stride, W / stride, 4 width).

    The stride is the 3 x 3 convolution's, as in torchvision; in the paper it is the first one's.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int):
        self.conv1 = Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = BatchNorm2d(width, activation="relu")
        self.conv2 = Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = BatchNorm2d(width, activation="relu")
        self.conv3 = Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = BatchNorm2d(4 * width)
        self.downsample = _shortcut(in_channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x))


#: Kind of block and blocks of each stage, by the number of layers with weights.
_STAGES: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}


class ResNet(Encoder):
    """A 7 x 7 convolution of stride 2, 3 x 3 max-pooling of stride 2, and four stages of residual blocks.

    The maps are those of the first convolution, with ReLU, and of the four stages: 1/2 to 1/32 of the image's size,
    with base · (1, 1, 2, 4, 8) channels, or base · (1, 4, 8, 16, 32) for depth 50.

    Args:
        depth: 18, 34 or 50: layers with weights, the last of them the classifier, which is not here.
        in_channels: channels of the images.
        base: channels of the first convolution; 64 in the paper.

    >>> import minifcn as mf
    >>> [y.shape for y in ResNet(18, base=2)(mf.zeros(1, 32, 64, 3))][::2]
    [(1, 16, 32, 2), (1, 4, 8, 4), (1, 1, 2, 16)]
    """

    first, classifier = "conv1", "fc."
    strides = (2, 4, 8, 16, 32)
    layer1: Module
    layer2: Module
    layer3: Module
    layer4: Module

    def __init__(self, depth: int = 18, in_channels: int = 3, base: int = 64):
        check_choice("resnet", "depth", depth, tuple(_STAGES))
        check_positive("resnet", in_channels=in_channels, base=base)
        block, counts = _STAGES[depth]
        self.conv1 = Conv2d(in_channels, base, 7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm2d(base, activation="relu")
        self.maxpool = MaxPool2d(3, stride=2, padding=1)
        channels = base
        for number, count in enumerate(counts):
            width, blocks = base * 2**number, Sequential()
            for position in range(count):
                blocks.append(block(channels, width, stride=2 if number and position == 0 else 1))
                channels = width * block.expansion
            self.add_module(f"layer{number + 1}", blocks)
        self.channels = (base, *(base * block.expansion * 2**number for number in range(4)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The five maps; see `Encoder`."""
        maps = [self.bn1(self.conv1(images))]
        x = self.maxpool(maps[0])
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


def _shortcut(in_channels: int, out_channels: int, stride: int) -> Module:
    if stride == 1 and in_channels == out_channels:
        return Identity()
    return Sequential(Conv2d(in_channels, out_channels, 1, stride, bias=False), BatchNorm2d(out_channels))
