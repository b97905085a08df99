"""Fixtures of the data tests: the real files where there are any, and a server that serves a folder."""

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
# Looked up on import: tests that name another home of the data change the environment.
REAL_DATA = REPOSITORY / os.environ.get("MINIFCN_TEST_DATA", "../shared/data")


@pytest.fixture
def real_data():
    """Return a function: name of a data set -> its folder; skips the test where it is absent."""

    def folder(name):
        path = REAL_DATA / name
        if not path.is_dir():
            pytest.skip(f"no {name} in {REAL_DATA} (set MINIFCN_TEST_DATA)")
        return path

    return folder


class _SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """Serve a folder on this machine; yields (folder, its URL)."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_SilentHandler, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{httpd.server_port}/"
        finally:
            httpd.shutdown()
            thread.join()
