"""The site: built without a warning, every link leads somewhere, and course and reference lead to each other."""

import importlib
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]


_PACKAGES = ("audit", "course", "cuda", "data", "functional", "graph", "io", "metrics", "models", "nn", "optim")
_PACKAGES += ("plots", "prediction", "training")


class Page(HTMLParser):
    """What a page links to, loads, and can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.ids = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.loaded.append(given["src"])
        if tag == "link" and "stylesheet" in (given.get("rel") or "") and given.get("href"):
            self.loaded.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, as `make site` builds it, elsewhere; and its pages by path."""
    folder = tmp_path_factory.mktemp("site")
    source, built = folder / "source", folder / "built"
    source.mkdir()
    for part in [*(ROOT / "docs").glob("[!_]*"), *ROOT.glob("*.md"), ROOT / "notebooks"]:
        shutil.copytree(part, source / part.name) if part.is_dir() else shutil.copy(part, source)
    options = ["--quiet", "--fail-on-warning", "--keep-going"]
    command = [sys.executable, "-m", "sphinx", *options, "-c", str(ROOT / "docs"), str(source), str(built)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path.relative_to(built).as_posix(): Page(path) for path in built.rglob("*.html")}, built


def test_every_link_within_the_site_leads_somewhere(site):
    pages, built = site
    for name, page in pages.items():
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (built / name).parent / unquote(parts.path) if parts.path else built / name
            assert target.exists(), f"{name} links to {link}"
            if parts.fragment and target.suffix == ".html":
                there = pages[target.resolve().relative_to(built.resolve()).as_posix()]
                assert unquote(parts.fragment) in there.ids, f"{name} links to {link}"


def test_links_between_files_of_the_repository_are_links_between_pages(site):
    pages, _ = site
    for stem in ("01_images_and_operators", "14_kernels_in_cuda"):
        for name in ("README", "teachers-guide"):
            assert f"{stem}.html" in pages[f"notebooks/{name}.html"].links
    assert {"notebooks/README.html", "README.html", "api/index.html", "ARCHITECTURE.html"} <= set(
        pages["index.html"].links
    )


def test_nothing_is_loaded_from_elsewhere(site):
    pages, _ = site
    for name, page in pages.items():
        assert not [source for source in page.loaded if urlsplit(source).netloc], name


def test_every_notebook_links_to_the_reference_and_is_linked_from_it(site):
    pages, _ = site
    notebooks = [path.stem for path in (ROOT / "notebooks").glob("*.ipynb")]
    reference = [link for name, page in pages.items() if name.startswith("api/") for link in page.links]
    for stem in notebooks:
        assert any("../api/" in link for link in pages[f"notebooks/{stem}.html"].links), stem
        assert any(f"../notebooks/{stem}.html" in link for link in reference), stem


def test_everything_public_has_an_entry(site):
    pages, _ = site
    entries = set().union(*(page.ids for name, page in pages.items() if name.startswith("api/")))
    for package in _PACKAGES:
        module = importlib.import_module(f"minifcn.{package}")
        missing = {f"minifcn.{package}.{name}" for name in module.__all__} - entries
        # Tables and other values have no docstring, modules a page of their own.
        assert not {name for name in missing if callable(getattr(module, name.rsplit(".", 1)[1]))}
    assert {"minifcn.Tensor", "minifcn.Tensor.graph", "minifcn.tensor", "minifcn.grad"} <= entries
