"""The site: the course's notebooks with their outputs, and the reference from the docstrings, linked both ways."""

import importlib
import inspect
import re

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

import minifcn

project = "minifcn"
author = "The minifcn authors"
project_copyright = author
version = release = minifcn.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_codeautolink",
    "sphinx_copybutton",
]
root_doc = "index"
exclude_patterns = ["**/.ipynb_checkpoints"]

# Notebooks are shown as they were committed: the tests run them, the site does not.
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
suppress_warnings = [
    "mystnb.unknown_mime_type",
    "ref.python",  # several classes may have an attribute of one name
    "codeautolink.match_block",  # examples whose doctest options are not shown stay without links
]

# A word in single backticks is an object if there is one of that name.
default_role = "py:obj"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_type_aliases = {"TensorLike": "TensorLike"}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80

# Every name in a cell is a link to the reference; every entry there lists the notebooks that use it.
codeautolink_concat_default = True
codeautolink_autodoc_inject = True
_PACKAGES = ("nn", "optim", "models", "data", "training", "metrics", "prediction", "audit", "graph", "course", "io")


def _public_names():
    """Where classes are documented, by where they are defined: examples lead to the one, entries bear the other."""
    found = {}
    for package in ("minifcn", *(f"minifcn.{name}" for name in _PACKAGES)):
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) and value.__module__.startswith("minifcn"):
                defined, public = f"{value.__module__}.{value.__qualname__}", f"{package}.{name}"
                found.setdefault(defined, public)
                found |= {f"{defined}.{each}": f"{public}.{each}" for each in vars(value) if each[0] != "_"}
    return found


codeautolink_inventory_map = _public_names() | {"minifcn.predict": "minifcn.prediction.predict"}

html_theme = "furo"
html_title = "minifcn"
html_static_path = ["static"]
html_css_files = ["minifcn.css"]
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


# --- formulas as MathML: every browser shows it, without a script from somewhere else -------------------------------


def _inline(writer, node):
    writer.body.append(convert(node.astext()))
    raise SkipNode


def _display(writer, node):
    writer.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


# --- docstrings are written for a terminal: |x| is an absolute value there, *size unpacks a tuple ---------------------


def _keep_symbols(app, what, name, obj, options, lines):
    literal = False
    for place, line in enumerate(lines):
        begins = line.strip().startswith(">>>") or (place > 0 and lines[place - 1].endswith("::"))
        literal = begins or (literal and (bool(line.strip()) or lines[place - 1].endswith("::")))
        if not literal:
            lines[place] = re.sub(r"(?<![\w*])\*(?=\w+[^*]*$)", r"\*", line.replace("|", r"\|"))


def _plain_aliases(app, what, name, obj, options, signature, returned):
    """Names of types as they were written: Sphinx shows how it holds an alias inside a union."""
    forward = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
    return tuple(text and forward.sub(r"\1", text) for text in (signature, returned))


def setup(app):
    """Register the renderer of formulas, and what is done to docstrings; Sphinx calls this."""
    app.connect("autodoc-process-docstring", _keep_symbols)
    app.connect("autodoc-process-signature", _plain_aliases)
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.config.html_math_renderer = "mathml"
