"""``minifcn warmup``."""

from __future__ import annotations

import time
from typing import Annotated

import typer


def warmup(
    model: Annotated[str, typer.Option(help="The network to prepare for.")] = "unet",
    float64: Annotated[bool, typer.Option("--float64", help="Also in double precision.")] = False,
) -> None:
    """Compile everything that training and prediction with a network use, so that nothing compiles later.

    It is kept on disk: once on a machine for each version of minifcn is enough. Ctrl-C keeps what is done.
    """
    from rich.console import Console
    from rich.progress import Progress

    from minifcn.kernels.cpu.compiling import watch
    from minifcn.kernels.cpu.jit import cache_folder
    from minifcn.models import REGISTRY
    from minifcn.warmup import steps

    if model not in REGISTRY:
        raise ValueError(f"unknown model {model!r}; models: {', '.join(REGISTRY)}")
    begun = time.monotonic()
    todo = list(steps(model, ("float32", "float64") if float64 else ("float32",)))
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(
            "looking for what is not compiled yet; to compile it can take minutes, once on a machine", highlight=False
        )
    shown, known, spent = watch.began, len(watch.kernels), watch.seconds
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("warming up", total=len(todo))
            watch.began = lambda name: bar.update(task, description=f"compiling {name}")
            for step in todo:
                bar.update(task, description=step.name)
                step.run()
                bar.update(task, advance=1)
    except KeyboardInterrupt:
        console.print(f"interrupted; {len(watch.kernels) - known} kernels compiled and kept; run it again for the rest")
        raise
    finally:
        watch.began = shown
    done = _summary(len(watch.kernels) - known, watch.seconds - spent)
    print(f"{done}; {time.monotonic() - begun:.1f} s in all; {cache_folder()}")


def _summary(count: int, seconds: float) -> str:
    if not count:
        return "everything is there already"
    return f"{count} kernels compiled in {seconds:.0f} s"
