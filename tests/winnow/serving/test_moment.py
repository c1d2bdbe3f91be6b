"""Lists that are asked for at another moment than now."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from winnow.serving.parsing import BadRequest, parse
from winnow.serving.record import _who

THEN = "2017-12-04T10:00:00+00:00"


def asked(**person: object) -> bytes:
    return json.dumps({"strategy": "item-knn", "users": [{"user_id": "u", **person}]}).encode()


def test_the_moment_of_a_request_is_what_it_says_and_goes_into_the_log():
    person = parse(asked(timestamp=THEN)).people[0]
    assert person.moment(now=5) == int(datetime(2017, 12, 4, 10, tzinfo=UTC).timestamp())
    assert _who(person) == {"userId": "u", "timestamp": THEN}


def test_without_one_it_is_now():
    person = parse(asked()).people[0]
    assert person.moment(now=5) == 5
    assert "timestamp" not in _who(person)


@pytest.mark.parametrize("moment", ["1999-12-31T00:00:00Z", "2999-01-01T00:00:00Z"])
def test_a_moment_that_the_log_would_refuse_is_refused_by_name(moment):
    with pytest.raises(BadRequest, match=r"users\.0\.timestamp: .* must be from 2000 on"):
        parse(asked(timestamp=moment))
