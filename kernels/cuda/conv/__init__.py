"""Convolution, its adjoint in the image and its adjoint in the weight, as implicit matrix products."""

from minifcn.kernels.cuda.conv.launch import conv2d, conv2d_weight, conv_transpose2d

__all__ = ["conv2d", "conv2d_weight", "conv_transpose2d"]
