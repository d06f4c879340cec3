"""How the pages are built; scripts/docs does it, with every warning an error."""

import resultstore

project = "resultstore"
author = "The resultstore developers"
project_copyright = author
version = release = resultstore.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3

nitpicky = True
default_role = "py:obj"
nitpick_ignore_regex = [
    ("py:.*", r"(typing|collections\.abc|datetime|os|pathlib)\..*"),  # no pages of others are fetched
    ("py:class", r"(callable|datetime)"),
]

autodoc_typehints = "none"  # the docstrings name types, units and defaults
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"resultstore {release}"
html_copy_source = False
