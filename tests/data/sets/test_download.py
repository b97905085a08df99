import hashlib
import io
import socket
import sys
import zipfile

import numpy as np
import pytest
import tifffile

from minifcn.data import ISBI2012, MNIST, DownloadError, data_home
from minifcn.data.sets import isbi as isbi_module
from minifcn.data.sets.download import OfficialFile, dataset_root, fetch, fetch_from_zip


def official(name, content, algorithm="md5"):
    return OfficialFile(name, f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_a_good_file_is_fetched_once(server, tmp_path):
    served, url = server
    (served / "a.gz").write_bytes(b"content")
    file = official("a.gz", b"content", "sha256")
    path = fetch(file, url + "a.gz", tmp_path / "home" / "set")
    assert path.read_bytes() == b"content"
    (served / "a.gz").unlink()
    assert fetch(file, url + "a.gz", path.parent) == path
    assert contents(path.parent) == {"a.gz": b"content"}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_on_terminals_only(server, tmp_path, monkeypatch, capsys):
    served, url = server
    (served / "a.gz").write_bytes(bytes(1_500_000))
    file = official("a.gz", bytes(1_500_000))
    fetch(file, url + "a.gz", tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr", Terminal())
    fetch(file, url + "a.gz", tmp_path / "loud")
    assert sys.stderr.getvalue().endswith("\ra.gz: 1.5 MB 100%\n")


def test_a_corrupt_file_is_refused_and_not_kept(server, tmp_path):
    served, url = server
    (served / "a.gz").write_bytes(b"something else")
    actual = hashlib.md5(b"something else").hexdigest()
    file = official("a.gz", b"content")
    with pytest.raises(
        DownloadError, match=f"a.gz: md5 is {actual}, expected {file.digest[4:]}: {url}a.gz sent a damaged"
    ):
        fetch(file, url + "a.gz", tmp_path / "home")
    assert contents(tmp_path / "home") == {}


def test_a_file_that_is_there_is_verified_and_left_alone(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"a\.gz is damaged, or not the official file: delete it to .* --download"):
        fetch(official("a.gz", b"content"), "http://127.0.0.1:9/", tmp_path)
    assert contents(tmp_path) == {"a.gz": b"mine"}


def test_a_file_that_the_server_lacks(server, tmp_path):
    _, url = server
    with pytest.raises(DownloadError, match=f"^{url}a.gz: the server answered 404 File not found$"):
        fetch(official("a.gz", b""), url + "a.gz", tmp_path / "home")
    assert contents(tmp_path / "home") == {}


def test_a_server_that_is_not_there(tmp_path):
    with socket.socket() as unused:  # bound, but not listening: the port refuses, and nobody else can take it
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.gz"
        with pytest.raises(DownloadError, match=f"^{url}: cannot be fetched: Connection refused$"):
            fetch(official("a.gz", b""), url, tmp_path / "home")
    assert contents(tmp_path / "home") == {}


@pytest.fixture
def archive(server):
    """Serve a.zip with two files in a folder of the archive; returns its URL and the served folder."""
    served, url = server
    with zipfile.ZipFile(served / "a.zip", "w") as zipped:
        zipped.writestr("challenge/one.tif", b"1")
        zipped.writestr("challenge/two.tif", b"22")
        zipped.writestr("challenge/three.tif", b"333")
    return url + "a.zip", served


def test_files_are_fetched_from_an_archive(archive, tmp_path):
    url, served = archive
    files = [official("one.tif", b"1"), official("two.tif", b"22")]
    paths = fetch_from_zip(files, url, tmp_path / "home")
    assert [path.read_bytes() for path in paths] == [b"1", b"22"]
    assert set(contents(tmp_path / "home")) == {"one.tif", "two.tif"}
    (served / "a.zip").unlink()
    assert fetch_from_zip(files, url, tmp_path / "home") == paths
    paths[1].write_bytes(b"changed")
    with pytest.raises(DownloadError, match=r"two\.tif: md5 is .*: .*two\.tif is damaged, or not the official file"):
        fetch_from_zip(files, url, tmp_path / "home")


def test_archives_that_are_refused(archive, tmp_path):
    url, served = archive
    home = tmp_path / "home"
    with pytest.raises(DownloadError, match=r"two\.tif: md5 is .* expected .*a\.zip holds a damaged file"):
        fetch_from_zip([official("one.tif", b"1"), official("two.tif", b"2")], url, home)
    with pytest.raises(DownloadError, match=r"a\.zip: the archive holds no four\.tif"):
        fetch_from_zip([official("four.tif", b"")], url, home)
    (served / "a.zip").write_bytes((served / "a.zip").read_bytes()[:-30])
    with pytest.raises(DownloadError, match=r"a\.zip: not a zip archive, or a damaged one"):
        fetch_from_zip([official("one.tif", b"1")], url, home)
    assert contents(home) == {}


def test_nothing_is_fetched_unless_asked_for(server, tmp_path):
    served, url = server
    (served / "train-images-idx3-ubyte.gz").write_bytes(b"here to be fetched")
    with pytest.raises(FileNotFoundError) as caught:
        MNIST(tmp_path / "home", url=url)
    message = str(caught.value)
    assert "\n" not in message
    for part in ("train-images-idx3-ubyte.gz", str(tmp_path / "home"), url):
        assert part in message
    for part in ("--download", "download=True", "--data FOLDER", "root=", "$MINIFCN_DATA"):
        assert part in message
    assert contents(tmp_path / "home") == {}
    with pytest.raises(DownloadError, match=r"train-images-idx3-ubyte\.gz: md5 is"):
        MNIST(tmp_path / "home", url=url.rstrip("/"), download=True)


def test_a_missing_stack(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"isbi: train-volume\.tif not found in .*download=True.*\.zip"):
        ISBI2012(tmp_path)


def test_a_stack_is_fetched_where_it_is_asked_for(server, tmp_path, monkeypatch):
    served, url = server
    names = ("train-volume.tif", "train-labels.tif")
    with zipfile.ZipFile(served / "stack.zip", "w") as zipped:
        for name in names:
            tifffile.imwrite(tmp_path / name, np.zeros((2, 4, 4), np.uint8), photometric="minisblack")
            zipped.write(tmp_path / name, f"challenge/{name}")
    files = [official(name, (tmp_path / name).read_bytes(), "sha256") for name in names]
    monkeypatch.setattr(isbi_module, "_VOLUME", files[0])
    monkeypatch.setattr(isbi_module, "_LABELS", files[1])
    dataset = ISBI2012(tmp_path / "home", download=True, url=url + "stack.zip")
    assert len(dataset) == 2
    assert set(contents(tmp_path / "home")) == set(names)


def test_real_files_carry_the_official_checksums(real_data):
    folder = real_data("mnist")
    assert len(MNIST(folder, "test", download=True)) == 10_000


def test_where_data_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIFCN_DATA", str(tmp_path))
    assert data_home() == tmp_path
    assert dataset_root(None, "mnist") == tmp_path / "mnist"
    assert dataset_root("~/digits", "mnist").is_absolute()
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "mnist")):
        MNIST()
    monkeypatch.delenv("MINIFCN_DATA")
    assert data_home().name == "minifcn"
