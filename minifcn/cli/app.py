"""The program: its commands, and how it fails: one line that says what is wrong, and exit code 2."""

from __future__ import annotations

import errno
import sys
import traceback
from typing import Annotated

import typer

from minifcn._version import __version__
from minifcn.cli.audit import audit
from minifcn.cli.audit.arguments import USERS as _USERS
from minifcn.cli.bench import bench
from minifcn.cli.device import with_device
from minifcn.cli.evaluate import evaluate
from minifcn.cli.info import info
from minifcn.cli.models import models
from minifcn.cli.predict import predict
from minifcn.cli.train import train
from minifcn.cli.warmup import warmup

_HELP = """minifcn: train and apply fully convolutional networks.

--debug, anywhere on the line, shows where in the code an error happened.
"""


def _show_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (train, predict, evaluate):
    app.command()(with_device(command))
for own in (models, warmup, bench, info):
    app.command()(own)
app.add_typer(audit, name="audit")


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Nothing that all commands share but --version."""


#: Errors whose message was written for the user. Anything else is a bug of ours, and says so.
_EXPECTED = (ValueError, OSError, RuntimeError, KeyError, MemoryError)


def main() -> None:
    """Run the command line; the console script ``minifcn``."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(args=arguments, prog_name="minifcn")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        print(f"minifcn: error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)


def _one_line(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f" for {error.filename}" if error.filename else ""
        text = f"no space left on the disk{where}; what was saved before is intact"
    elif isinstance(error, OSError) and error.errno is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
    if theirs := _users_line(error):
        text = f"{theirs}: {type(error).__name__}: {text}"
    elif not isinstance(error, _EXPECTED):
        text = f"unexpected {type(error).__name__}: {text} (please report this; --debug shows where it happened)"
    return " ".join(text.split())


def _users_line(error: Exception) -> str:
    """File and line, if the error was raised in a file given as FILE.py:NAME; else empty."""
    frames = traceback.extract_tb(error.__traceback__)
    given = {getattr(module, "__file__", None) for name, module in sys.modules.items() if name.startswith(_USERS)}
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames and frames[-1].filename in given else ""
