"""``minifcn bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def bench(
    groups: Annotated[
        list[str] | None, typer.Argument(help="Which groups of cases (default: all).", metavar="[GROUP]...")
    ] = None,
    case: Annotated[str | None, typer.Option(help="Only cases whose name matches, as a shell matches files.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few rounds and no torch.compile: does it work?")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Of every contestant (default: minifcn's).")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="The least number of rounds of fast cases.")] = None,
    patience: Annotated[
        float, typer.Option(min=0.0, help="Seconds a case to wait for, and try again when, other processes are busy.")
    ] = 0.0,
    out: Annotated[Path, typer.Option(help="Folder for results.json, results.md and roofline.png.")] = Path(
        "runs/bench"
    ),
    list_: Annotated[bool, typer.Option("--list", help="Show groups and cases, and measure nothing.")] = False,
) -> None:
    """Measure minifcn beside PyTorch, ONNX Runtime and OpenVINO: alternating, warm, with results compared first.

    Ratios are the best peer's time over minifcn's. The peers come with the extra `bench`; those that are not installed
    are left out. Ctrl-C writes what there is.
    """
    from rich.console import Console

    from minifcn.benchmarks import cases

    chosen = cases.select(groups or [], case)
    if list_:
        for item in chosen:
            print(item.name)
        return
    console = Console(highlight=False)
    effort = _effort(quick, rounds)
    failed, interrupted = _run(console, chosen, threads, out, effort=effort, compiled=not quick, patience=patience)
    if interrupted:
        console.print("interrupted")
        raise typer.Exit(130)
    if failed:
        raise typer.Exit(1)


def _effort(quick: bool, rounds: int | None) -> Any:
    import dataclasses

    from minifcn.benchmarks.measure import Effort

    effort = Effort.quick() if quick else Effort()
    if rounds is None:
        return effort
    return dataclasses.replace(effort, rounds=rounds, slow_rounds=min(rounds, effort.slow_rounds))


def _run(console: Any, chosen: Any, threads: int | None, out: Path, **how: Any) -> tuple[bool, bool]:
    """Measure, show and write; whether a case failed, and whether the user broke off."""
    from minifcn import get_num_threads, set_num_threads
    from minifcn.benchmarks import machine, suite

    before = get_num_threads()
    set_num_threads(threads or before)  # refuses too many, before anything is measured
    options = suite.Options(threads or before, seed=suite.fresh_seed(), **how)
    out.mkdir(parents=True, exist_ok=True)
    results: list[suite.Result] = []
    interrupted = False
    try:
        _missing(console)
        limits = _limits(console, chosen, options.threads)
        facts = machine.facts() | {"threads": options.threads, "seed": options.seed} | limits
        for number, case in enumerate(chosen):
            _say(console, f"{number + 1} of {len(chosen)}: {case.name}")
            results.append(suite.run_case(case, options))
            _say(console, "")
            _write(out, results, facts)
            if number + 1 == len(chosen) or chosen[number + 1].group != case.group:
                _show(console, case.group, results)
    except KeyboardInterrupt:
        interrupted = True
        if results:
            _show(console, results[-1].case.group, results)
    finally:
        set_num_threads(before)
    if results:
        _finish(console, out, results, limits)
    return any(result.error is not None for result in results), interrupted


def _say(console: Any, text: str) -> None:
    """Replace the last line of a terminal. Not rich's animation, which would compute while we measure."""
    if console.is_terminal:
        console.file.write(f"\r\x1b[K{text}"[: console.width])
        console.file.flush()


def _missing(console: Any) -> None:
    from minifcn.benchmarks import peers

    absent = [name for name, version in peers.versions().items() if version is None]
    if absent:
        console.print(
            f"not installed, so left out: {', '.join(absent)} (pip install 'minifcn[bench]' installs every peer)",
            markup=False,
        )


def _show(console: Any, group: str, results: Any) -> None:
    from minifcn.benchmarks import report

    found = [result for result in results if result.case.group == group]
    console.print(report.table(group, found))
    for line in filter(None, (report.summary(group, found), *report.remarks(found))):
        console.print(line, markup=False)


def _limits(console: Any, chosen: Any, threads: int) -> dict[str, float]:
    """Of the machine, where there are convolutions to hold against them."""
    from minifcn.benchmarks import machine
    from minifcn.benchmarks.cases import ConvCase

    if not any(isinstance(case, ConvCase) for case in chosen):
        return {}
    _say(console, "limits of the machine")
    limits = machine.limits(threads)
    _say(console, "")
    return limits


def _write(out: Path, results: Any, facts: Any) -> None:
    """After every case, so that whatever ends the process costs one case at most."""
    from minifcn.benchmarks import report
    from minifcn.io.atomic import write_text

    write_text(out / "results.json", report.to_json(results, facts))
    write_text(out / "results.md", report.to_markdown(results, facts))


def _finish(console: Any, out: Path, results: Any, limits: dict[str, float]) -> None:
    from minifcn.benchmarks import roofline

    drawn = bool(limits) and roofline.draw(out / "roofline.png", results, limits)
    names = ["results.json", "results.md"] + ["roofline.png"] * drawn
    console.print(f"written to {out}: {', '.join(names)}", markup=False, soft_wrap=True)
