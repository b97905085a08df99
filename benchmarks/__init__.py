"""minifcn beside its peers on the CPU: the same work, alternating in one process, with results compared first.

`cases` is the table of what is measured and which ratio is aimed at; `suite.run` measures it. The command is
``minifcn bench``. What it needs beyond minifcn is the extra ``bench``; a peer that is not installed is left out.
"""

if __name__ != "minifcn.benchmarks":
    raise ImportError(
        f"this folder is minifcn.benchmarks, but it was imported as {__name__!r}; "
        "write `from minifcn import benchmarks` (after `pip install -e .` in the folder above)"
    )
