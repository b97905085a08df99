"""Optimisers, schedules of their learning rates, and gradient clipping.

>>> import minifcn as mf
>>> from minifcn import nn, optim
>>> net = nn.Linear(2, 1)
>>> optimizer = optim.Adam(net.parameters(), lr=1e-2)
>>> net(mf.ones(4, 2)).sum().backward()
>>> norm = optim.clip_grad_norm(net.parameters(), max_norm=1.0)
>>> optimizer.step()
>>> optimizer.zero_grad()
"""

from minifcn.optim.adam import Adam, AdamW
from minifcn.optim.clip import clip_grad_norm, clip_grad_norm_
from minifcn.optim.optimizer import Optimizer
from minifcn.optim.rmsprop import RMSprop
from minifcn.optim.schedule import CosineAnnealingLR, LinearWarmup, PolynomialLR, Schedule, StepLR
from minifcn.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "LinearWarmup",
    "Optimizer",
    "PolynomialLR",
    "RMSprop",
    "Schedule",
    "StepLR",
    "clip_grad_norm",
    "clip_grad_norm_",
]
