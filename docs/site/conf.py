"""The settings of Sphinx for the site. `python docs/site` prepares the pages and calls Sphinx."""

import names

import cfdns_fast

project = "cfdns_fast"
version = release = cfdns_fast.__version__
copyright = "cfdns_fast contributors, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings"]
root_doc = "README"
source_suffix = {".md": "markdown"}
myst_heading_anchors = 6
myst_heading_slug_func = "pages.anchor_of"
# Some blocks of JSON leave out a part (…), which the lexer takes for a fault.
suppress_warnings = ["misc.highlighting_failure"]
# Options begin with two dashes, and quotes are copied into a shell.
smartquotes = False

# Docstrings write code in single backticks; `docstrings` makes links of the public names among it.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
autodoc_mock_imports = list(names.ABSENT)
napoleon_google_docstring = False
# Attributes are a list, since each has one line; as objects, some would have two descriptions.
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False
python_display_short_literal_types = True

html_theme = "furo"
html_title = f"cfdns_fast {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_last_updated_fmt = None
html_permalinks_icon = "#"
html_static_path = ["site_style"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
