"""VGG and ResNet in PyTorch, with torchvision's names for the same layers."""

from torch import nn
from torch.nn import functional as F

VGG_PLANS = {
    11: [1, "M", 2, "M", 4, 4, "M", 8, 8, "M", 8, 8, "M"],
    13: [1, 1, "M", 2, 2, "M", 4, 4, "M", 8, 8, "M", 8, 8, "M"],
    16: [1, 1, "M", 2, 2, "M", 4, 4, 4, "M", 8, 8, 8, "M", 8, 8, 8, "M"],
}
RESNET_PLANS = {18: (1, [2, 2, 2, 2]), 34: (1, [3, 4, 6, 3]), 50: (4, [3, 4, 6, 3])}


class TorchVGG(nn.Module):
    """torchvision's features, and a classifier that must not matter."""

    def __init__(self, depth, channels, base, norm):
        super().__init__()
        layers = []
        for step in VGG_PLANS[depth]:
            if step == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            norms = [nn.BatchNorm2d(base * step)] if norm else []
            layers += [nn.Conv2d(channels, base * step, 3, padding=1), *norms, nn.ReLU()]
            channels = base * step
        self.features, self.classifier = nn.Sequential(*layers), nn.Sequential(nn.Linear(channels, 5))

    def forward(self, x):
        maps = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                maps.append(x)
            x = layer(x)
        return maps


class TorchBlock(nn.Module):
    """Two convolutions, or the bottleneck's three."""

    def __init__(self, inputs, width, stride, expansion):
        super().__init__()
        convs = [(3, stride), (3, 1)] if expansion == 1 else [(1, 1), (3, stride), (1, 1)]
        self.count, channels = len(convs), inputs
        for i, (kernel, step) in enumerate(convs, 1):
            outputs = width * (expansion if i == self.count else 1)
            self.add_module(f"conv{i}", nn.Conv2d(channels, outputs, kernel, step, kernel // 2, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(outputs))
            channels = outputs
        self.downsample = None
        if stride != 1 or inputs != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            y = F.relu(y) if i < self.count else y
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class TorchResNet(nn.Module):
    def __init__(self, depth, channels, base):
        super().__init__()
        expansion, counts = RESNET_PLANS[depth]
        self.conv1, self.bn1 = nn.Conv2d(channels, base, 7, 2, 3, bias=False), nn.BatchNorm2d(base)
        inputs = base
        for i, count in enumerate(counts):
            blocks = []
            for j in range(count):
                blocks.append(TorchBlock(inputs, base * 2**i, 2 if i and not j else 1, expansion))
                inputs = base * 2**i * expansion
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, 5)

    def forward(self, x):
        maps = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(maps[0], 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps
