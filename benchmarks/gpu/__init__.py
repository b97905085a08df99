"""The GPU check: does every kernel compute what it should, and how fast is it beside cuDNN and the memory's bandwidth?

``make gpu-check OUT=folder`` runs it from a plain checkout, without a network, in under eight minutes on one GPU.
Every part is a file here, and runs in a process of its own, so that a crash or a hang in one leaves the others alone;
each saves what it has measured as it goes. `parts` is the table of them, `run` the loop.
"""
