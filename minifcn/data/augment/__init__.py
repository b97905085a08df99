"""Transforms of image and label together: where to cut, where to look, and how bright it is.

`minifcn.data` hands all of them on.
"""
