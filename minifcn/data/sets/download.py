"""Where data sets lie on disk, and how the official files get there: only when asked for, checked, and never by halves.

Nothing here is fetched by itself: without `download=True` (`--download` on the command line), a missing file is an
error that says where to get it.
"""

import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_HOME_VARIABLE = "MINIFCN_DATA"


class DownloadError(OSError):
    """A file could not be fetched, or is not the official one."""


@dataclass(frozen=True)
class OfficialFile:
    """A file as its authors published it.

    Attributes:
        name: the file's name.
        digest: its checksum, "md5:..." or "sha256:...".
    """

    name: str
    digest: str


def data_home() -> Path:
    """Return the folder that holds the data sets: $MINIFCN_DATA, or the user's data folder as the platform has it."""
    if home := os.environ.get(_HOME_VARIABLE):
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("minifcn", appauthor=False))


def dataset_root(root: str | os.PathLike[str] | None, name: str) -> Path:
    """Return the folder of one data set: `root` where it is given, `data_home() / name` otherwise."""
    return data_home() / name if root is None else Path(root).expanduser()


def missing_file(path: Path, dataset: str, url: str) -> FileNotFoundError:
    """Return the error for a file that is not there: what, where it was looked for, where to get it."""
    return FileNotFoundError(
        f"{dataset}: {path.name} not found in {path.parent}: fetch it with --download (in Python: download=True), or "
        f"get it from {url} and put it there; --data FOLDER (in Python: root=...) or ${_HOME_VARIABLE} name another "
        "folder"
    )


def fetch(file: OfficialFile, url: str, folder: Path) -> Path:
    """Fetch one file into a folder, unless it is there already; its checksum is verified either way.

    Args:
        file: name and checksum.
        url: address of the file itself.
        folder: made where it does not exist. The file appears in it only when it is complete and verified.

    Raises:
        DownloadError: the server cannot be reached or has no such file, or the checksum is wrong.
    """
    path = folder / file.name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Beside its destination, so that the last step is a rename, which is all or nothing.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
            fetched = _retrieve(url, Path(scratch) / file.name)
            _verify(fetched, file, f"{url} sent a damaged file, or another one")
            fetched.replace(path)
    else:
        _verify(path, file, _delete_it(path))
    return path


def fetch_from_zip(files: Sequence[OfficialFile], url: str, folder: Path) -> list[Path]:
    """Fetch files that are published inside a zip archive, unless all are there already; checksums are verified.

    The files are found by name, in whatever folder of the archive they lie; the archive itself is not kept.

    Raises:
        DownloadError: as for `fetch`, or the archive is damaged or lacks a file.
    """
    paths = [folder / file.name for file in files]
    if all(path.exists() for path in paths):
        for file, path in zip(files, paths, strict=True):
            _verify(path, file, _delete_it(path))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
            archive = _retrieve(url, Path(scratch) / "archive.zip")
            extracted = [_extract(archive, file.name, url) for file in files]
            for file, source in zip(files, extracted, strict=True):
                _verify(source, file, f"{url} holds a damaged file, or another one")
            for source, path in zip(extracted, paths, strict=True):
                source.replace(path)
    return paths


def _retrieve(url: str, path: Path) -> Path:
    """Fetch a URL to `path`; no checksum yet."""
    import pooch

    progress = _Progress(path.name) if sys.stderr.isatty() else False
    try:
        pooch.HTTPDownloader(progressbar=progress, chunk_size=1 << 16)(url, str(path), None)
    except OSError as error:  # all errors of requests, which pooch stands on, are OSErrors
        response = getattr(error, "response", None)
        if response is not None:
            raise DownloadError(f"{url}: the server answered {response.status_code} {response.reason}") from error
        raise DownloadError(f"{url}: cannot be fetched: {_root_cause(error)}") from error
    return path


def _root_cause(error: BaseException) -> str:
    """Return the innermost reason in words: a refused connection comes wrapped three times."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _extract(archive: Path, name: str, url: str) -> Path:
    """Extract the archive's member of that file name, beside the archive."""
    destination = archive.parent / name
    try:
        with zipfile.ZipFile(archive) as members:
            found = next((member for member in members.namelist() if Path(member).name == name), None)
            if found is None:
                raise DownloadError(f"{url}: the archive holds no {name}")
            with members.open(found) as source, destination.open("wb") as target:
                shutil.copyfileobj(source, target)
    except zipfile.BadZipFile as error:
        raise DownloadError(f"{url}: not a zip archive, or a damaged one: {error}") from error
    return destination


def _verify(path: Path, file: OfficialFile, otherwise: str) -> None:
    """Compare a file's checksum with the official one; `otherwise` ends the message where they differ."""
    import pooch

    algorithm, _, expected = file.digest.partition(":")
    actual = pooch.file_hash(str(path), algorithm)
    if actual != expected:
        raise DownloadError(f"{file.name}: {algorithm} is {actual}, expected {expected}: {otherwise}")


def _delete_it(path: Path) -> str:
    return (
        f"{path} is damaged, or not the official file: delete it to fetch it again, or leave out --download (in "
        "Python: download=True)"
    )


class _Progress:
    """A progress line on standard error, with the four names that pooch expects of one."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.done = name, 0, 0  # total is set by pooch

    def update(self, size: int) -> None:
        """Count `size` more bytes."""
        self.done += size
        share = f"{min(1.0, self.done / self.total):4.0%}" if self.total else ""
        print(f"\r{self.name}: {self.done / 1e6:.1f} MB {share}", end="", file=sys.stderr, flush=True)

    def reset(self) -> None:
        """Start anew; pooch calls this once the file is complete, before it sets the count to the total."""
        self.done = 0

    def close(self) -> None:
        """End the line."""
        print(file=sys.stderr)
