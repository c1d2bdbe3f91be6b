"""What an offline evaluation found, as plain values that turn into JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TypeVar, cast

from recommenders.errors import InvalidData

FORMAT = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A metric of one strategy in one slice, over ``n`` users, with its 95 % interval; nan where there is no answer."""

    metric: str
    slice: str
    n: int
    value: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Strategy minus reference, paired over the ``n`` users that both have a value for."""

    strategy: str
    reference: str
    metric: str
    slice: str
    n: int
    effect: float
    ci_low: float
    ci_high: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """One strategy. ``failure`` says why there are no figures.

    ``label`` is its key, numbered where a key comes twice; a reference that a candidate of another configuration shares
    its key with is called so. ``fit_seconds`` and ``score_seconds`` are wall-clock time,
    the latter of scoring all users, without ranking. ``not_numbers`` counts scores that were nan; ``short_lists`` the
    lists with fewer than k items although the catalogue had enough.
    """

    label: str
    key: str
    config: Mapping[str, object]
    failure: str | None = None
    fit_seconds: float = math.nan
    score_seconds: float = math.nan
    not_numbers: int = 0
    short_lists: int = 0
    figures: tuple[Figure, ...] = ()

    def figure(self, metric: str, part: str = "all") -> Figure:
        """The figure of a metric in a slice. Raises KeyError where there is none."""
        for one in self.figures:
            if (one.metric, one.slice) == (metric, part):
                return one
        raise KeyError(f"{self.label} has no figure {metric} of {part}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineReport:
    """Strategies judged on the same users by the same protocol.

    ``data`` is the fingerprint of all interactions and items; ``protocol`` how they were split. ``evaluated`` users
    have something to find; ``skipped`` ones have events and nothing to find by this protocol.
    """

    format: int = FORMAT
    data: str
    protocol: Mapping[str, str | int]
    k: int
    new_only: bool
    seed: int
    items: int
    train_events: int
    test_events: int
    evaluated: int
    skipped: int
    references: tuple[str, ...]
    strategies: tuple[Evaluated, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = field(default=())

    def strategy(self, label: str) -> Evaluated:
        """What was found of one strategy. Raises KeyError where there is none."""
        for one in self.strategies:
            if one.label == label:
                return one
        raise KeyError(f"there is no {label}; there are {', '.join(one.label for one in self.strategies)}")

    def difference(self, strategy: str, reference: str, metric: str, part: str = "all") -> Difference:
        """The difference of two strategies. Raises KeyError where there is none."""
        for one in self.differences:
            if (one.strategy, one.reference, one.metric, one.slice) == (strategy, reference, metric, part):
                return one
        raise KeyError(f"there is no difference {strategy} − {reference} of {metric} in {part}")


NUMBERS = frozenset(one.name for kind in (Figure, Difference, Evaluated) for one in fields(kind) if one.type == "float")


def to_json(report: OfflineReport) -> dict[str, object]:
    """The report as JSON; what is no number is null."""
    plain = _plain(asdict(report))
    assert isinstance(plain, dict)  # noqa: S101  (for the type checker)
    return plain


def report_from_json(plain: Mapping[str, object]) -> OfflineReport:
    """The report of :func:`to_json`; what is null where a number belongs is nan.

    Raises:
        InvalidData: it is of another format, or a field is missing or unknown.
    """
    if plain.get("format") != FORMAT:
        raise InvalidData("format", f"{plain.get('format')!r} must be {FORMAT}")
    try:
        strategies = (
            _read(Evaluated, one, figures=tuple(_read(Figure, each) for each in _rows(one["figures"])))
            for one in _rows(plain["strategies"])
        )
        return _read(
            OfflineReport,
            plain,
            strategies=tuple(strategies),
            differences=tuple(_read(Difference, one) for one in _rows(plain["differences"])),
            references=tuple(cast(list[str], plain["references"])),
            notes=tuple(cast(list[str], plain["notes"])),
        )
    except (KeyError, TypeError) as error:
        raise InvalidData("report", f"is not what to_json writes: {error}") from None


def _rows(plain: object) -> list[Mapping[str, object]]:
    return cast(list[Mapping[str, object]], plain)


def _read(kind: type[T], plain: Mapping[str, object], **read: object) -> T:
    """One of these; its numbers that are null are nan."""
    values = {name: math.nan if value is None and name in NUMBERS else value for name, value in plain.items()}
    return kind(**(values | read))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
