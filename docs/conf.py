"""The documentation site: ``python -m sphinx -W -n -b html docs build/docs`` builds it, without a network."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent / "_ext")]

project = "pbproto"
version = release = "0.1.0"
copyright = "the authors of pbproto, MIT license"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "reference_tables",
    "command_line",
    "public_names",
    "console",
]
exclude_patterns = ["_ext", "_static", "benchmarks/*.json"]
source_suffix = {".md": "markdown"}
root_doc = "index"
nitpicky = True
smartquotes = False  # `--flag` in a help text is no dash
nitpick_ignore_regex = [
    # Aliases and names that annotations mention and that are no part of the public interface.
    ("py:class", r"collections\.abc\.\w+"),
    ("py:class", r"(pbproto\.)?(messages|buckets|state|events|effects|out)\.\w+"),
    ("py:class", r"(Place|Request|Event|Effect|Message|Quart|Flask|Settings|Config|BucketMap)"),
    ("py:class", r"(quart|flask|httpx|pytest|ssl|frontends)\..*"),
    ("py:class", r"pbkv\.\w+\.(D|T_co)"),
]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
suppress_warnings = [
    "myst.header",  # the excerpt of a page may begin below the first level
]

autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_display_short_literal_types = True
add_module_names = False
maximum_signature_line_length = 90
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "pbproto"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {
        "font-stack--monospace": "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
    },
}
pygments_style = "tango"
pygments_dark_style = "monokai"

# A prompt and the output below a command are not copied.
copybutton_prompt_text = r"\$ |devenv> "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
