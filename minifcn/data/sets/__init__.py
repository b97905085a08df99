"""The data sets, one file each, and what reading them takes: downloads, pairs of files, tables of labels.

`minifcn.data` hands all of them on.
"""
