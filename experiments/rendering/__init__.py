"""A report for a terminal, a document, a program, a notebook and the store."""

from experiments.rendering.data import freeze, report_to_frame, report_to_json, thaw
from experiments.rendering.markdown import to_markdown
from experiments.rendering.text import to_text

__all__ = ["freeze", "report_to_frame", "report_to_json", "thaw", "to_markdown", "to_text"]
