"""The A/A self-check: a metric's own units, re-randomised many times where no effect is, tell what its method does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import special

from experiments.contracts import Calibration, Comparison, Kind, Reason
from experiments.errors import InvalidInput
from experiments.stats.adjustment import adjust
from experiments.stats.comparison import compare, compare_estimates
from experiments.stats.estimate import estimate, width_of
from experiments.stats.moments import Moments

RUNS = 1_000
# Units whose value is not the commonest one. Fewer give so few different p-values that none can look uniform.
FEWEST_UNITS = 200
LIFT = 0.2  # of the mean: half of the treatment's units get twice as much, the others nothing
UNIFORM_AT = 0.01
BAND = 0.99
CELLS = 4_000_000  # units × runs in memory at once

CONTROL, TREATMENT = "control", "treatment"

Matrix = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]  # runs done, runs in all


class Method(StrEnum):
    """How a metric is compared. Capped columns come capped: a cap is the same however the units are split."""

    PLAIN = "plain"
    CAPPED = "capped"
    ADJUSTED = "adjusted"  # by its covariates, capped where the metric is


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runs:
    """What the re-randomised comparisons said, one entry per run, shape (runs,).

    ``covered`` is 1 where the relative interval held an effect that was put in, 0 where it did not. nan where a run
    could not answer.
    """

    p_values: Matrix
    covered: Matrix


def calibrate(
    metric: str,
    kind: Kind,
    columns: npt.ArrayLike,
    *,
    method: str,
    rng: np.random.Generator,
    runs: int = RUNS,
    alpha: float = 0.05,
    share: float = 0.5,
    progress: Progress | None = None,
) -> Calibration:
    """The measured false positive rate, coverage and uniformity of a metric's method on units that nothing divides.

    Each run sends every unit to treatment with probability ``share``, and compares by the function that reports use. No
    effect is there, so p ≤ alpha should come up alpha of the time and p-values should be uniform. Then an effect that
    differs between units is put in: a random half of the treatment's values are multiplied by 1 + 2 · :data:`LIFT`. The
    relative interval should hold the mean effect, LIFT, 1 − alpha of the time.

    Args:
        metric: its key.
        kind: how the metric is computed.
        columns: shape (k, n): (value, x…), or (numerator, denominator, x…) of a ratio, one column per unit.
        method: a :class:`Method`; ``adjusted`` needs covariates, the others ignore them.
        rng: the same one gives the same result.
        runs: how many; 1,000 find a standard error that is 10 % too small with a power of 93 %.
        alpha: two-sided error rate, in (0, 1).
        share: of the units in treatment, in (0, 1).

    Returns:
        the figures and the badge, see :func:`assess`; nan and reasons where the units cannot answer: fewer than
        :data:`FEWEST_UNITS` that differ from the commonest value, no variance, a mean of 0.

    Raises:
        InvalidInput: columns, method, runs, alpha or share that break these rules.

    Source: R. Kohavi, D. Tang, Y. Xu (2020), Trustworthy Online Controlled Experiments, chapter 19.

    >>> rng = np.random.default_rng(1)
    >>> result = calibrate("spend", Kind.MEAN, rng.gamma(2.0, 3.0, (1, 1_000)), method="plain", rng=rng)
    >>> result.false_positives, result.coverage, round(result.uniformity_p, 2), result.passed
    (0.042, 0.95, 0.63, True)
    """
    data = _checked(kind, columns, method, runs, alpha, share)
    reasons = _reasons(kind, data)
    if reasons:
        return _unknown(metric, method, runs, data.shape[1], alpha, reasons)
    measured = _measure(kind, data, Method(method), rng, runs, alpha, share, progress)
    return assess(metric, method, measured, units=data.shape[1], alpha=alpha)


def assess(metric: str, method: str, measured: Runs, *, units: int, alpha: float) -> Calibration:
    """The figures of the runs, and whether a right method would give them.

    The badge is given when Kolmogorov and Smirnov's test of the p-values against the uniform distribution has p ≥ .01,
    and the runs with p ≤ alpha, and those whose interval missed, both lie in the central 99 % of Binomial(runs, alpha).

    Args:
        metric, method, units, alpha: as they are reported.
        measured: the runs.

    Returns:
        figures and badge; nan and a reason where a run could not answer.

    >>> even = (np.arange(1000) + 0.5) / 1000
    >>> measured = Runs(p_values=even, covered=np.r_[np.zeros(50), np.ones(950)])
    >>> assess("spend", "plain", measured, units=500, alpha=0.05).passed
    True
    """
    runs = measured.p_values.size
    if not np.isfinite(measured.p_values).all():
        return _unknown(metric, method, runs, units, alpha, (Reason.TOO_FEW_UNITS,))
    if not np.isfinite(measured.covered).all():
        return _unknown(metric, method, runs, units, alpha, (Reason.ZERO_BASELINE,))
    positives = int((measured.p_values <= alpha).sum())
    missed = runs - int(measured.covered.sum())
    uniformity_p = uniformity(measured.p_values)
    low, high = binomial_band(runs, alpha)
    return Calibration(
        metric=metric,
        method=method,
        runs=runs,
        units=units,
        false_positives=positives / runs,
        coverage=1 - missed / runs,
        uniformity_p=uniformity_p,
        alpha=alpha,
        passed=uniformity_p >= UNIFORM_AT and low <= positives <= high and low <= missed <= high,
    )


def uniformity(p_values: Matrix) -> float:
    """The p-value of Kolmogorov and Smirnov's test that p-values are uniform on [0, 1].

    D = sup |F_n(u) − u|; p = K((√n + .12 + .11 / √n) D), K the tail of Kolmogorov's distribution.

    Source: M. A. Stephens (1970), Use of the Kolmogorov-Smirnov, Cramér-von Mises and related statistics without
    extensive tables, JRSS B 32, 115-122.

    >>> round(uniformity(np.linspace(0.0, 0.9, 100)), 3)
    0.256
    """
    ordered = np.sort(p_values)
    n = ordered.size
    steps = np.arange(n + 1) / n
    distance = max(float((steps[1:] - ordered).max()), float((ordered - steps[:-1]).max()))
    return float(special.kolmogorov((math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * distance))


def binomial_band(runs: int, rate: float, share: float = BAND) -> tuple[int, int]:
    """The central ``share`` of Binomial(runs, rate): the smallest and the largest count that are no surprise.

    >>> binomial_band(1_000, 0.05)
    (33, 69)
    """
    below = special.bdtr(np.arange(runs + 1), runs, rate)
    tail = (1 - share) / 2
    return int(np.searchsorted(below, tail)), int(np.searchsorted(below, 1 - tail))


def _checked(kind: Kind, columns: npt.ArrayLike, method: str, runs: int, alpha: float, share: float) -> Matrix:
    data = np.asarray(columns, dtype=np.float64)
    if method not in set(Method):
        raise InvalidInput("method", f"{method!r} must be one of {', '.join(Method)}")
    needed = width_of(kind) + (method == Method.ADJUSTED)
    if kind is Kind.QUANTILE or data.ndim != 2 or len(data) < needed:
        raise InvalidInput("columns", f"a {kind}, {method}, needs {needed} or more rows of units, got {data.shape}")
    if runs < 1:
        raise InvalidInput("runs", f"{runs} must be 1 or more")
    for name, value in (("alpha", alpha), ("share", share)):
        if not 0 < value < 1:
            raise InvalidInput(name, f"{value:g} must be above 0 and below 1")
    return data


def _reasons(kind: Kind, data: Matrix) -> tuple[Reason, ...]:
    """Why these units cannot answer, nothing where they can."""
    if not np.isfinite(data).all():
        return (Reason.MISSING,)
    whole = estimate(Moments.from_arrays(*data[: width_of(kind)]), kind)
    if whole.reasons:
        return whole.reasons
    if not whole.var:
        return (Reason.NO_VARIANCE,)
    if not whole.mean:
        return (Reason.ZERO_BASELINE,)
    different = data.shape[1] - int(np.unique(data[0], return_counts=True)[1].max())
    return (Reason.TOO_FEW_UNITS,) if different < FEWEST_UNITS else ()


def _unknown(metric: str, method: str, runs: int, units: int, alpha: float, reasons: tuple[Reason, ...]) -> Calibration:
    return Calibration(
        metric=metric,
        method=method,
        runs=runs,
        units=units,
        false_positives=math.nan,
        coverage=math.nan,
        uniformity_p=math.nan,
        alpha=alpha,
        passed=False,
        reasons=reasons,
    )


def _measure(
    kind: Kind,
    data: Matrix,
    method: Method,
    rng: np.random.Generator,
    runs: int,
    alpha: float,
    share: float,
    progress: Progress | None,
) -> Runs:
    p_values, covered = np.empty(runs), np.empty(runs)
    judge = _adjusted if method is Method.ADJUSTED else _plain
    for run, (control, left_alone, moved) in enumerate(_splits(data, runs, share, rng)):
        p_values[run] = judge(control, left_alone.merge(moved), kind, alpha).p_value
        lifted = judge(control, left_alone.merge(_scaled(moved, 1 + 2 * LIFT)), kind, alpha)
        known = not math.isnan(lifted.rel_ci_low)
        covered[run] = lifted.rel_ci_low <= LIFT <= lifted.rel_ci_high if known else math.nan
        if progress:
            progress(run + 1, runs)
    return Runs(p_values=p_values, covered=covered)


def _splits(data: Matrix, runs: int, share: float, rng: np.random.Generator) -> Iterator[tuple[Moments, ...]]:
    """Control and the two halves of treatment in each run.

    The sums of many runs at once are the product of a 0/1 matrix with the columns and their products.
    """
    k, n = data.shape
    centre = data.mean(axis=1)
    deviations = data - centre[:, None]
    left, right = np.triu_indices(k)
    terms = np.vstack([np.ones(n), deviations, deviations[left] * deviations[right]]).T
    block = max(CELLS // n, 1)
    for start in range(0, runs, block):
        draws = rng.random((min(block, runs - start), n), dtype=np.float32)
        groups = (draws >= share, (draws >= share / 2) & (draws < share), draws < share / 2)
        for sums in zip(*(group.astype(np.float64) @ terms for group in groups), strict=True):
            yield tuple(_moments(one, centre, left, right) for one in sums)


def _moments(sums: Matrix, centre: Matrix, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp]) -> Moments:
    k = centre.size
    products = np.empty((k, k))
    products[left, right] = products[right, left] = sums[1 + k :]
    return Moments.from_shifted_sums(
        n=round(float(sums[0])), shift=centre.tolist(), sums=sums[1 : 1 + k].tolist(), products=products.tolist()
    )


def _scaled(moments: Moments, factor: float) -> Moments:
    """The same units with values that are ``factor`` times as large; denominators and covariates stay."""
    factors = [factor, *(1.0 for _ in moments.mean[1:])]
    return Moments(
        n=moments.n,
        mean=tuple(a * mean for a, mean in zip(factors, moments.mean, strict=True)),
        comoment=tuple(
            tuple(a * b * value for b, value in zip(factors, row, strict=True))
            for a, row in zip(factors, moments.comoment, strict=True)
        ),
    )


def _plain(control: Moments, treatment: Moments, kind: Kind, alpha: float) -> Comparison:
    return compare(control, treatment, kind=kind, alpha=alpha, control_name=CONTROL, arm=TREATMENT)


def _adjusted(control: Moments, treatment: Moments, kind: Kind, alpha: float) -> Comparison:
    arms: Mapping[str, Moments] = {CONTROL: control, TREATMENT: treatment}
    one, other = adjust(arms, kind).pair(CONTROL, TREATMENT)
    return compare_estimates(one, other, alpha=alpha, control_name=CONTROL, arm=TREATMENT)
