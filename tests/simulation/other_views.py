"""The other views of a metric: quantiles, ranks of survey scores, and surveys whose response differs by arm."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from experiments.contracts import Comparison, Kind
from experiments.stats.comparison import compare_estimates
from experiments.stats.counts import Counts
from experiments.stats.estimate import Estimate, estimate
from experiments.stats.moments import Moments, merge_all
from experiments.stats.quantile import quantile_estimate, resampled_quantiles
from experiments.stats.ranks import superiority, weighted_by_profile
from tests.simulation.figure import Figure

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ALPHA = 0.05
LEVELS = np.arange(1.0, 6.0)
ANSWERS = np.array([0.1, 0.1, 0.2, 0.3, 0.3])  # shares of the scores 1 to 5
SIGMA = 0.8  # of the logarithm of latency


def run() -> tuple[Figure, ...]:
    """All figures of this topic."""
    return (*quantile_figures(), *rank_figures(), *power_figures(), *survey_figures())


def quantile_figures() -> tuple[Figure, ...]:
    """Latency, lognormal with a median of 100 ms, 2,000 users an arm, treatment 5 % slower."""
    rng = np.random.default_rng(71)
    coverage = tuple(
        Figure(
            name=f"quantile: coverage of the difference of p{100 * q:.0f}",
            value=_quantile_coverage(q, runs, rng),
            low=0.94,
            high=0.96,
            note=f"{runs:,} runs, lognormal latency (sigma {SIGMA}), 2,000 users an arm, 1,000 bootstrap draws",
        )
        for q, runs in ((0.9, 8_000), (0.5, 4_000))
    )
    ours, plain = _few_levels(2_000, rng)
    note = "2,000 A/As, p90 of a Poisson(3.15) count (90.0 % are 5 or less), 2,000 users an arm"
    return (
        *coverage,
        *_few_units(3_000, rng),
        Figure(name="quantile: false positives, value with few levels", value=ours, low=0.0, high=0.05, note=note),
        Figure(name="quantile: those of the plain bootstrap, for contrast", value=plain, low=0.08, high=0.2, note=note),
    )


def _quantile_coverage(q: float, runs: int, rng: np.random.Generator) -> float:
    medians = np.array([100.0, 105.0])
    true_values = medians * math.exp(SIGMA * stats.norm.ppf(q))
    covered = 0
    for _ in range(runs):
        control, treatment = (
            quantile_estimate(rng.lognormal(math.log(median), SIGMA, 2_000), q, draws=1000, rng=rng)
            for median in medians
        )
        result = _compared(control, treatment)
        covered += result.ci_low <= true_values[1] - true_values[0] <= result.ci_high
    return covered / runs


def _few_units(runs: int, rng: np.random.Generator) -> tuple[Figure, ...]:
    """A/As with hardly enough users beyond the quantile."""
    figures = []
    for q, n in ((0.9, 50), (0.9, 200), (0.99, 500), (0.99, 2_000)):
        results = [
            _compared(*(quantile_estimate(rng.lognormal(0, SIGMA, n), q, draws=1000, rng=rng) for _ in range(2)))
            for _ in range(runs)
        ]
        figures.append(
            Figure(
                name=f"quantile: false positives, p{100 * q:.0f} of {n:,} users an arm",
                value=_significant(results),
                low=0.02,
                high=0.06,
                note=f"{runs:,} A/As, lognormal latency (sigma {SIGMA}), {n * (1 - q):.0f} users beyond the quantile",
            )
        )
    return tuple(figures)


def _few_levels(runs: int, rng: np.random.Generator) -> tuple[float, float]:
    """Shares of significant A/As: with our standard error, and with the bootstrap's own."""
    ours, plain = 0, 0
    for _ in range(runs):
        arms = [Counts.from_values(rng.poisson(3.15, 2_000)) for _ in range(2)]
        ours += _compared(*(quantile_estimate(arm, 0.9, draws=1000, rng=rng) for arm in arms)).p_value <= ALPHA
        drawn = [resampled_quantiles(arm, 0.9, draws=1000, rng=rng) for arm in arms]
        values = [quantile_estimate(arm, 0.9, draws=1000, rng=rng).mean for arm in arms]
        se = math.hypot(*(draws.std(ddof=1) for draws in drawn))
        plain += abs(values[1] - values[0]) > stats.norm.isf(ALPHA / 2) * se
    return ours / runs, plain / runs


def rank_figures() -> tuple[Figure, ...]:
    """A/A tests of scores with five levels, and arms that differ in spread but not in who is higher."""
    rng = np.random.default_rng(72)
    same = tuple(
        Figure(
            name=f"ranks: false positives, {n:,} answers an arm",
            value=_rejected(rng.multinomial(n, ANSWERS, 8_000), rng.multinomial(n, ANSWERS, 8_000)),
            low=0.04,
            high=0.06,
            note="8,000 A/As of scores with five levels, Brunner-Munzel",
        )
        for n in (50, 200, 1_000)
    )
    control = rng.multinomial(450, [0.0, 0.15, 0.7, 0.15, 0.0], 4_000)
    treatment = rng.multinomial(50, [0.3, 0.1, 0.2, 0.1, 0.3], 4_000)
    note = "450 answers that agree against 50 that are split, neither higher: P(T > C) + P(T = C) / 2 = 1/2"
    return (
        *same,
        Figure(
            name="ranks: false positives, unequal spread",
            value=_rejected(control, treatment),
            low=0.04,
            high=0.065,
            note=f"4,000 runs, {note}",
        ),
        Figure(
            name="ranks: the p-value of Mann-Whitney there, for contrast",
            value=float(
                np.mean([_mann_whitney(*arms) for arms in zip(control[:1_000], treatment[:1_000], strict=True)])
            ),
            low=0.15,
            high=0.30,
            note=f"1,000 runs, {note}",
        ),
    )


def _rejected(control: Integers, treatment: Integers) -> float:
    """The share of runs (rows of counts per level) in which one arm is found to be higher."""
    results = (superiority(_counts(c), _counts(t), alpha=ALPHA) for c, t in zip(control, treatment, strict=True))
    return float(np.mean([result.p_value <= ALPHA for result in results]))


def _counts(units: Integers) -> Counts:
    return Counts(values=LEVELS[units > 0], counts=units[units > 0])


def _mann_whitney(control: Integers, treatment: Integers) -> bool:
    arms = (np.repeat(LEVELS, units) for units in (control, treatment))
    return bool(stats.mannwhitneyu(*arms, method="asymptotic").pvalue <= ALPHA)


def power_figures() -> tuple[Figure, ...]:
    """A treatment that lifts satisfaction by .135 of its standard deviation, 500 answers an arm."""
    rng = np.random.default_rng(73)
    lifted = np.diff(stats.norm.cdf(stats.norm.ppf([0, *np.cumsum(ANSWERS)[:-1], 1]) - 0.135))
    control, treatment = rng.multinomial(500, ANSWERS, 8_000), rng.multinomial(500, lifted, 8_000)
    note = "8,000 runs, 500 answers an arm, five levels of one normal satisfaction that is .135 sd higher"
    powers = (
        ("mean", _found(control, treatment, LEVELS), 0.46, 0.54),
        ("Brunner-Munzel", _rejected(control, treatment), 0.46, 0.54),
        ("top-two-box", _found(control, treatment, (LEVELS >= 4).astype(float)), 0.36, 0.44),
    )
    return tuple(
        Figure(name=f"survey: power of the {name}", value=value, low=low, high=high, note=note)
        for name, value, low, high in powers
    )


def _found(control: Integers, treatment: Integers, values: Floats) -> float:
    """The share of runs in which Welch's test of the mean of ``values`` is significant."""
    n = int(control[0].sum())
    means = [units @ values / n for units in (control, treatment)]
    variances = [
        (units @ values**2 - n * mean**2) / (n - 1) for units, mean in zip((control, treatment), means, strict=True)
    ]
    test = stats.ttest_ind_from_stats(
        means[1], np.sqrt(variances[1]), n, means[0], np.sqrt(variances[0]), n, equal_var=False
    )
    return float(np.mean(test.pvalue <= ALPHA))


def survey_figures() -> tuple[Figure, ...]:
    """A treatment that changes nobody's satisfaction but who answers: more of those with a low profile."""
    rng = np.random.default_rng(74)
    shares = [_survey(intercept, slope) for intercept, slope in ((-1.0, 0.0), (-0.8, -0.285))]
    runs = [rng.multinomial(5_500, arm.ravel(), 4_000).reshape(-1, *arm.shape) for arm in shares]
    naive, weighted, responses = [], [], []
    for arms in zip(*runs, strict=True):
        exposed = [arm.sum(axis=1).tolist() for arm in arms]
        scores = [[_moments(stratum) for stratum in arm[:, :-1]] for arm in arms]
        naive.append(_compared(*(estimate(merge_all(arm), Kind.MEAN) for arm in scores)))
        weighted.append(_compared(*weighted_by_profile(scores, exposed)))
        answered = [np.array([arm[:, -1].sum(), arm[:, :-1].sum()]) for arm in arms]
        responses.append(_compared(*(estimate(_moments(arm), Kind.MEAN) for arm in answered)))
    note = (
        "4,000 runs, 5,500 exposed an arm, no effect; satisfaction .6 x + N(0, 1) in five levels, x the profile; "
        "response logit -1 in control, -.8 - .285 x in treatment; weighted by quartiles of x"
    )
    figures = (
        ("response rate is found to differ", _significant(responses), 0.95, 1.0),
        ("bias of the naive mean", _mean_effect(naive), -0.13, -0.09),
        ("bias of the weighted mean", _mean_effect(weighted), -0.02, -0.01),
        ("false positives of the naive mean", _significant(naive), 0.73, 0.83),
        ("false positives of the weighted mean", _significant(weighted), 0.04, 0.09),
    )
    return tuple(
        Figure(name=f"survey: {name}", value=value, low=low, high=high, note=note) for name, value, low, high in figures
    )


def _survey(intercept: float, slope: float) -> Floats:
    """Shares of the exposed by quartile of the profile (rows) and answer: scores 1 to 5, none (columns)."""
    x = stats.norm.ppf((np.arange(4_000) + 0.5) / 4_000)
    thresholds = np.array([-np.inf, 1.5, 2.5, 3.5, 4.5, np.inf])
    score = np.diff(stats.norm.cdf(thresholds - 3.5 - 0.6 * x[:, None]))
    answering = special.expit(intercept + slope * x)[:, None]
    by_user = np.hstack([score * answering, 1 - answering]) / x.size
    shares: Floats = by_user.reshape(4, -1, 6).sum(axis=1)
    return shares


def _moments(units: Integers) -> Moments:
    """Of whole scores from their counts; two levels are 0 and 1."""
    levels = range(1, 6) if units.size == 5 else range(units.size)
    rows = list(zip(levels, units.tolist(), strict=True))
    return Moments.from_integer_sums(
        n=int(units.sum()),
        sums=[sum(level * count for level, count in rows)],
        products=[[sum(level * level * count for level, count in rows)]],
    )


def _compared(control: Estimate, treatment: Estimate) -> Comparison:
    return compare_estimates(control, treatment, alpha=ALPHA, control_name="control", arm="treatment")


def _significant(results: list[Comparison]) -> float:
    return float(np.mean([result.p_value <= ALPHA for result in results]))


def _mean_effect(results: list[Comparison]) -> float:
    return float(np.mean([result.effect for result in results]))
