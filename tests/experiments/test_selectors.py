"""Reading the records."""

from __future__ import annotations

import pytest

from experiments.contracts import Kind, MetricDefinition, Term
from experiments.errors import InvalidInput
from experiments.models import Metric
from experiments.selectors import metric_definitions

pytestmark = pytest.mark.django_db


def test_a_metric_that_somebody_defined_is_like_a_built_in_one():
    definition = {
        "key": "wishes",
        "name": "Wishes",
        "kind": "mean",
        "numerator": [{"event": "Product Added to Wishlist"}],
    }
    Metric.objects.create(key="wishes", definition=definition)
    found = metric_definitions(["ctr", "wishes"])
    assert found[0].key == "ctr"
    assert found[1] == MetricDefinition(
        key="wishes", name="Wishes", kind=Kind.MEAN, numerator=(Term(event="Product Added to Wishlist"),)
    )


def test_an_undefined_metric_is_named_with_those_there_are():
    with pytest.raises(
        InvalidInput, match="metric: 'clicks' is not defined; there are average-order-value, conversion"
    ):
        metric_definitions(["ctr", "clicks"])
