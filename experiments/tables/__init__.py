"""Analysis of files, in a notebook or by ``winnow analyze``: no server, no settings, nothing stored.

>>> TableSpec(arm="group", control="a", binary=("bought",)).metric_keys
('bought',)
"""

from experiments.tables.aggregates import AggregateReport, AggregateSpec, GroupResult, analyze_aggregates
from experiments.tables.analysis import analyze_table
from experiments.tables.spec import Expectation, Ratio, TableSpec

__all__ = [
    "AggregateReport",
    "AggregateSpec",
    "Expectation",
    "GroupResult",
    "Ratio",
    "TableSpec",
    "analyze_aggregates",
    "analyze_table",
]
