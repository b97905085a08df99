"""Whoever waits at a command is told when kernels are being compiled, also where errors go to a file."""


def announce_compilation() -> None:
    """From here on, in this process."""
    from minifcn.kernels.cpu.compiling import watch

    watch.always = True
