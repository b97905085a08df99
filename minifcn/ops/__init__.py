"""Operations: where the kernels of a device and the rules of differentiation meet, one file a family.

Every class is a forward on arrays and, right under it, a backward on Tensors. Each linear operation sits beside its
adjoint, and the backward of one is the forward of the other. Arguments were checked in `minifcn.functional`.
"""
