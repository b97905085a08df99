"""What a kernel does with a few numbers, in arithmetic that every compiler of Python knows.

A kernel is two things: which thread touches which numbers, and what becomes of them. The second is here, as plain
functions of numbers. The kernels call them on the GPU; a test compiles the very same functions for the CPU, and checks
them at full speed over whole arrays.
"""
