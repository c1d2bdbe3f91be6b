"""Experiments of the planned size: is an effect found as often as planned, and do units come as forecast?"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from experiments.contracts import Direction, Kind, Standing
from experiments.stats.adjustment import adjust
from experiments.stats.comparison import compare, compare_estimates
from experiments.stats.estimate import estimate
from experiments.stats.moments import Moments
from experiments.stats.noninferiority import non_inferiority
from experiments.stats.planning import Baseline, Design, non_inferiority_size, sample_size
from experiments.stats.rule import Once, Sidak
from experiments.stats.traffic import Traffic
from tests.simulation.figure import Figure

Floats = npt.NDArray[np.float64]
Arm = tuple[Moments, ...]  # one arm in every run
Draw = Callable[[float, int], Floats]  # lift, units → columns × units

ALPHA = 0.05
RUNS = 4_000
WITHIN = (0.78, 0.82)


def run() -> tuple[Figure, ...]:
    """All figures of this topic."""
    rng = np.random.default_rng(91)
    return (
        _mean(rng),
        _few_units(rng),
        *_proportions(rng),
        *_ratios(rng),
        _cuped(rng),
        _three_arms(rng),
        _guardrail(rng),
        *_forecasts(rng),
    )


def _mean(rng: np.random.Generator) -> Figure:
    """Order values, gamma with shape 2, of which the treatment raises each by the same amount."""
    baseline = Baseline(mean=20.0, var=200.0)
    n = _planned(baseline, 0.1)

    def draw(lift: float, units: int) -> Floats:
        return np.stack([rng.gamma(2.0, 10.0, units) + 20.0 * lift])

    found = _found(_arm(draw, 0.0, n), _arm(draw, 0.1, n), Kind.MEAN)
    return _figure("mean", found, f"gamma values (shape 2), +10 %, {n:,} an arm")


def _few_units(rng: np.random.Generator) -> Figure:
    """An effect so large that the normal distribution would plan one unit an arm too few."""
    n = _planned(Baseline(mean=10.0, var=4.0), 0.25)

    def draw(lift: float, units: int) -> Floats:
        return np.stack([rng.normal(10.0 * (1 + lift), 2.0, units)])

    found = _found(_arm(draw, 0.0, n, 20_000), _arm(draw, 0.25, n, 20_000), Kind.MEAN)
    return _figure("mean of few units", found, f"normal values, +1.25 sd, {n} an arm", runs=20_000, low=0.82, high=0.84)


def _proportions(rng: np.random.Generator) -> tuple[Figure, ...]:
    """Conversions: a usual lift, and one so large that it changes the variance."""
    figures = []
    for share, lift, kind, low, high in (
        (0.05, 0.15, Kind.PROPORTION, *WITHIN),
        (0.02, 0.5, Kind.PROPORTION, *WITHIN),
        (0.02, 0.5, Kind.MEAN, 0.66, 0.75),
    ):
        n = _planned(Baseline(mean=share, var=share * (1 - share), kind=kind), lift)
        arms = []
        for p in (share, share * (1 + lift)):
            counts = rng.binomial(n, p, 2 * RUNS).tolist()
            arms.append(tuple(Moments.from_integer_sums(n=n, sums=[k], products=[[k]]) for k in counts))
        name = f"proportion, {share:.0%} to {share * (1 + lift):.1%}"
        if kind is Kind.MEAN:
            name += ", variance of the control for both arms, for contrast"
        found = _found(arms[0], arms[1], Kind.PROPORTION)
        figures.append(_figure(name, found, f"{n:,} an arm", runs=2 * RUNS, low=low, high=high))
    return tuple(figures)


def _ratios(rng: np.random.Generator) -> tuple[Figure, ...]:
    """Clicks over impressions of users who differ, planned from the moments of earlier users.

    The treatment multiplies every user's click probability, so its variance rises with the lift, which the plan of a
    ratio does not foresee.
    """

    def draw(lift: float, units: int) -> Floats:
        impressions = rng.geometric(1 / 13, units)
        clicks = rng.binomial(impressions, rng.beta(2.0, 38.0, units) * (1 + lift))
        return np.stack([clicks, impressions]).astype(np.float64)

    baseline = Baseline.from_moments(Moments.from_arrays(*draw(0.0, 1_000_000)), Kind.RATIO)
    figures = []
    for lift, name, low, high in (
        (0.05, "ratio, +5 %", *WITHIN),
        (0.1, "ratio, +10 %, where the rising variance shows, for contrast", 0.75, 0.79),
    ):
        n = _planned(baseline, lift)
        found = _found(_arm(draw, 0.0, n), _arm(draw, lift, n), Kind.RATIO)
        note = f"clicks Beta(2, 38) of geometric impressions (mean 13), {n:,} an arm"
        figures.append(_figure(name, found, note, low=low, high=high))
    return tuple(figures)


def _cuped(rng: np.random.Generator) -> Figure:
    """A covariate that correlates .6 with the metric, taken into the plan by its reduction."""

    def draw(lift: float, units: int) -> Floats:
        before = rng.normal(10.0, 4.0, units)
        return np.stack([10.0 * lift + 0.6 * before + rng.normal(4.0, 3.2, units), before])

    earlier = adjust({"earlier": Moments.from_arrays(*draw(0.0, 100_000))}, Kind.MEAN)
    n = _planned(Baseline(mean=10.0, var=16.0, reduction=earlier.reduction), 0.05)
    found = 0
    for control, treatment in zip(_arm(draw, 0.0, n), _arm(draw, 0.05, n), strict=True):
        pair = adjust({"control": control, "treatment": treatment}, Kind.MEAN).pair("control", "treatment")
        found += compare_estimates(*pair, alpha=ALPHA, control_name="control", arm="treatment").significant
    return _figure("CUPED", found / RUNS, f"correlation .6, +5 %, {n:,} an arm")


def _three_arms(rng: np.random.Generator) -> Figure:
    """The smaller of two treatments, each judged at its share of alpha."""
    design = Design(weights=(3, 2, 1))
    n_c, _, n_t = map(int, sample_size(Baseline(mean=20.0, var=200.0), design, rel_effect=0.2).arms)

    def draw(lift: float, units: int) -> Floats:
        return np.stack([rng.normal(20.0 * (1 + lift), math.sqrt(200.0), units)])

    rule = Sidak(rule=Once(), comparisons=2)
    found = 0
    for control, treatment in zip(_arm(draw, 0.0, n_c), _arm(draw, 0.2, n_t), strict=True):
        c, t = (estimate(arm, Kind.MEAN) for arm in (control, treatment))
        found += compare_estimates(c, t, alpha=ALPHA, control_name="control", arm="treatment", rule=rule).significant
    return _figure("smallest of two treatments, split 3:2:1", found / RUNS, f"+20 %, {n_c:,} against {n_t:,}")


def _guardrail(rng: np.random.Generator) -> Figure:
    """A treatment without effect that is to be shown to lose less than 5 %."""
    n = int(non_inferiority_size(Baseline(mean=20.0, var=64.0), 0.05, Design()).arms[0])

    def draw(lift: float, units: int) -> Floats:
        return np.stack([rng.normal(20.0 * (1 + lift), 8.0, units)])

    holds = 0
    for arms in zip(_arm(draw, 0.0, n), _arm(draw, 0.0, n), strict=True):
        c, t = (estimate(arm, Kind.MEAN) for arm in arms)
        compared = compare_estimates(c, t, alpha=ALPHA, control_name="control", arm="treatment")
        judged = non_inferiority(c, t, compared, margin=0.05, direction=Direction.INCREASE)
        holds += judged.standing is Standing.HOLDS
    return _figure("guardrail", holds / RUNS, f"no effect, margin 5 %, {n:,} an arm")


def _forecasts(rng: np.random.Generator) -> tuple[Figure, ...]:
    """40,000 users who come back at rates of their own (gamma, mean .1 a day): the second two weeks from the first."""
    ours, whole, constant = [], [], []
    for _ in range(200):
        first = (rng.exponential(1, 40_000) / rng.gamma(0.5, 0.2, 40_000)).astype(np.int64)
        new = np.bincount(first[first < 28], minlength=28)
        total = np.cumsum(new)
        ours.append(Traffic(daily_new=tuple(new[:14].tolist())).units_by(28) / total[-1] - 1)
        slope, level = np.polyfit(np.log(np.arange(1, 15)), np.log(total[:14]), 1)
        whole.append(math.exp(level) * 28**slope / total[-1] - 1)
        constant.append(2 * total[13] / total[-1] - 1)
    note = "200 runs, units by day 28 from 14 days, returning users with gamma rates (shape .5, mean .1 a day)"
    return (
        Figure(name="traffic: too many forecast", value=float(np.mean(ours)), low=-0.1, high=0.1, note=note),
        Figure(
            name="traffic: by a power law through all days, for contrast",
            value=float(np.mean(whole)),
            low=0.25,
            high=0.45,
            note=note,
        ),
        Figure(
            name="traffic: at a constant rate, for contrast",
            value=float(np.mean(constant)),
            low=0.5,
            high=0.7,
            note=note,
        ),
    )


def _planned(baseline: Baseline, lift: float) -> int:
    return int(sample_size(baseline, Design(), rel_effect=lift).arms[0])


def _arm(draw: Draw, lift: float, n: int, runs: int = RUNS) -> Arm:
    """The moments of n units in every run, drawn and summed in batches."""
    batch = max(1, 1_000_000 // n)
    moments: list[Moments] = []
    while len(moments) < runs:
        count = min(batch, runs - len(moments))
        values = draw(lift, count * n)
        values = values.reshape(len(values), count, n)
        mean = values.mean(axis=2)
        centred = values - mean[:, :, None]
        comoment = np.einsum("irn,jrn->rij", centred, centred)
        moments += [
            Moments(n=n, mean=tuple(m), comoment=tuple(map(tuple, c)))
            for m, c in zip(mean.T.tolist(), comoment.tolist(), strict=True)
        ]
    return tuple(moments)


def _found(control: Arm, treatment: Arm, kind: Kind) -> float:
    """The share of runs in which the difference is significant."""
    results = (
        compare(c, t, kind=kind, alpha=ALPHA, control_name="control", arm="treatment")
        for c, t in zip(control, treatment, strict=True)
    )
    return float(np.mean([result.significant for result in results]))


def _figure(
    name: str, value: float, note: str, *, runs: int = RUNS, low: float = WITHIN[0], high: float = WITHIN[1]
) -> Figure:
    return Figure(name=f"planned 80 %: {name}", value=value, low=low, high=high, note=f"{runs:,} runs, {note}")
