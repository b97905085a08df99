"""What the commands of ``minifcn audit`` share: how a network is named, and where its report goes."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minifcn.cli.notice import announce_compilation

if TYPE_CHECKING:
    from minifcn.audit.report import Report
    from minifcn.audit.subject import Subject

#: The arguments of every audit of a network.
Model = Annotated[
    str,
    typer.Argument(
        help="A network's name (see `minifcn models`), the folder of a run, or FILE.py:NAME, where NAME is a module or "
        "what makes one.",
        metavar="MODEL",
        show_default=False,
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", help="KEY=VALUE: an option of the network, such as base=8.", show_default=False),
]
Channels = Annotated[
    int | None, typer.Option(help="Channels of the images (default: those that the network takes).", min=1)
]
Out = Annotated[
    Path, typer.Option(help="Folder for the figure (png) and the facts (json).", callback=lambda path: _folder(path))
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the facts as JSON instead of the table.")]
OUT = Path("runs/audit")

#: What the modules of files given as FILE.py:NAME are called before their own name.
USERS = "audited_"


def open_subject(
    model: str,
    options: list[str] | None = None,
    channels: int | None = None,
    narrow: bool = False,
    drawn: bool = True,
) -> Subject:
    """The network that an argument MODEL means.

    Args:
        model: a name, a run's folder, or FILE.py:NAME.
        options: KEY=VALUE, of a network by name or of a class or function in a file.
        channels: of the images, if not those that the network says.
        narrow: of a name, the network of the same geometry with few channels, where weights play no part.
        drawn: draw initial weights; without them a wide network takes neither time nor memory (see `nn.init.skipped`).

    Raises:
        ValueError: there is no such network, file or name, or it is no Module.
    """
    from minifcn.cli.train import parse_options
    from minifcn.nn.init import skipped

    announce_compilation()
    given = parse_options("--option", options)
    with contextlib.nullcontext() if drawn else skipped():
        return _opened(model, given, channels, narrow)


def show(report: Report, subject: str, out: Path, as_json: bool) -> None:
    """Print a report, write its files, and say where they are."""
    print(report.to_json() if as_json else report)
    paths = report.save(out, f"{subject}-")
    print(f"\nwritten: {', '.join(map(str, paths))}", file=sys.stderr)


def _folder(path: Path) -> Path:
    """Where something can be written, known before anything is computed."""
    there = next(parent for parent in (path, *path.resolve().parents) if parent.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"--out {path}: {there} is a file; give a folder")
    if not os.access(there, os.W_OK):
        raise PermissionError(f"--out {path}: nothing can be written into {there}; give another folder")
    return path


def _opened(model: str, given: dict[str, Any], channels: int | None, narrow: bool) -> Subject:
    from minifcn.audit.subject import Subject

    file, colon, name = model.rpartition(":")
    if colon and file.endswith(".py"):
        return Subject(_from_file(Path(file), name, given), name, channels)
    if (Path(model) / "config.toml").is_file():
        return Subject(_from_run(Path(model), given), Path(model).resolve().name, channels)
    return Subject(_from_registry(model, given, channels, narrow), model, channels)


def _from_registry(name: str, options: dict[str, Any], channels: int | None, narrow: bool) -> Any:
    from minifcn.audit.facts import published_options
    from minifcn.models import REGISTRY, create

    if name not in REGISTRY:
        if "/" in name or Path(name).exists():
            raise ValueError(f"{name}: no run there (no config.toml); name a run's folder, a network, or FILE.py:NAME")
        create(name)  # it knows what to say
    network = REGISTRY[name]
    known = inspect.signature(network).parameters
    for option in options:
        if option not in known:
            raise ValueError(f"{name}: no option {option!r}; it has {', '.join(known)}")
    settled = {**published_options(network), **(network.narrow if narrow else {})}
    settled |= {} if channels is None else {"in_channels": channels}
    return network(**settled | options)


def _from_run(folder: Path, options: dict[str, Any]) -> Any:
    from minifcn.training.run import Run

    if options:
        raise ValueError(f"{folder}: is a finished run, whose network has its options; leave out --option")
    run = Run.open(folder)
    return run.predictor("best" if run.has("best") else "last").model


def _from_file(path: Path, name: str, options: dict[str, Any]) -> Any:
    """A module defined in a file of the user's: an instance, a class or a function that makes one."""
    from minifcn.nn import Module

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; MODEL may be FILE.py:NAME")
    try:
        namespace = _executed(path)
        if not hasattr(namespace, name):
            raise ValueError(f"{path}: defines no {name!r}")
        found = getattr(namespace, name)
        made = found(**options) if callable(found) and not isinstance(found, Module) else found
    except ValueError:
        raise
    except Exception as error:  # theirs, whatever it is: it must not look like a bug of ours
        raise ValueError(f"{path}:{name} failed with {type(error).__name__}: {error}") from error
    if not isinstance(made, Module):
        raise ValueError(f"{path}:{name} is a {type(made).__name__}, not a minifcn.nn.Module nor what makes one")
    return made


def _executed(path: Path) -> ModuleType:
    """A file's namespace, as if it were run as a program: it may import its neighbours, and finds itself by name."""
    specification = importlib.util.spec_from_file_location(f"{USERS}{path.stem}", path)
    assert specification is not None
    assert specification.loader is not None
    namespace = sys.modules[specification.name] = importlib.util.module_from_spec(specification)
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.append(folder)
    specification.loader.exec_module(namespace)
    return namespace
