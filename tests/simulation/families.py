"""Many comparisons at once: segments, treatments, metrics and days, with no effect or a known one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from experiments.stats.dunnett import Dunnett, loadings
from experiments.stats.multiplicity import benjamini_hochberg
from experiments.stats.segments import heterogeneity, segment_gate
from experiments.stats.student import critical_value
from tests.simulation.figure import Figure

ALPHA = 0.05
Array = npt.NDArray[np.float64]


def run() -> tuple[Figure, ...]:
    """Every figure of docs/statistics/many-metrics.md and segments.md."""
    return (
        *segments_without_an_effect(np.random.default_rng(20260321)),
        *shrunk_effects(np.random.default_rng(20260322)),
        *several_treatments(np.random.default_rng(20260323)),
        *secondary_metrics(np.random.default_rng(20260324)),
        *novelty(np.random.default_rng(20260325)),
    )


def conversions(rng: np.random.Generator, shape: tuple[int, ...], n: npt.ArrayLike, rate: float) -> tuple[Array, Array]:
    """Mean and squared standard error of arms of ``n`` users that convert with chance ``rate``."""
    users = np.asarray(n, dtype=np.float64)
    mean = rng.binomial(users.astype(np.int64), rate, shape) / users
    return mean, mean * (1 - mean) / (users - 1)


def welch(effect: Array, var: Array, other_var: Array, n: Array, other_n: Array) -> tuple[Array, Array]:
    """Welch's p-value and degrees of freedom of an effect between arms with these squared standard errors."""
    df = (var + other_var) ** 2 / (var**2 / (n - 1) + other_var**2 / (other_n - 1))
    return 2 * special.stdtr(df, -np.abs(effect) / np.sqrt(var + other_var)), df


def segments_without_an_effect(rng: np.random.Generator, runs: int = 8_000, segments: int = 20) -> tuple[Figure, ...]:
    """Conversion at 10 %, segments of 500 to 8,000 users an arm, both arms alike."""
    n = np.geomspace(500, 8_000, segments).round()
    (mean_c, var_c), (mean_t, var_t) = (conversions(rng, (runs, segments), n, 0.1) for _ in range(2))
    effects, ses = mean_t - mean_c, np.sqrt(var_c + var_t)
    p_values, _ = welch(effects, var_c, var_t, n, n)
    gates = [segment_gate(*row, ALPHA) for row in zip(effects.tolist(), ses.tolist(), p_values.tolist(), strict=True)]
    opened = np.mean([gate.differs for gate in gates])
    named = np.mean([any(gate.stands_out) for gate in gates])
    alone = np.mean([gate.discoveries.rejected > 0 for gate in gates])
    case = f"{segments} segments without an effect"
    return (
        Figure(name=f"{case}: some p ≤ .05", value=float((p_values <= ALPHA).any(1).mean()), low=0.58, high=0.68),
        Figure(name=f"{case}: Benjamini-Hochberg alone names one", value=float(alone), low=0.035, high=0.06),
        Figure(name=f"{case}: the gate opens", value=float(opened), low=0.04, high=0.06),
        Figure(name=f"{case}: one is named behind the gate", value=float(named), low=0.0, high=0.06),
    )


def shrunk_effects(rng: np.random.Generator, runs: int = 2_000, segments: int = 10) -> tuple[Figure, ...]:
    """Effects that vary between segments as much as they are uncertain."""
    ses = np.linspace(0.7, 1.5, segments)
    truth = rng.normal(1, 1, (runs, segments))
    measured = truth + ses * rng.normal(size=truth.shape)
    shrunk = np.array([heterogeneity(row, ses.tolist()).shrunk for row in measured.tolist()])
    errors = shrunk[..., 0] - truth
    gain = np.mean(errors**2) / np.mean((measured - truth) ** 2)
    covered = np.mean(np.abs(errors) <= 1.96 * shrunk[..., 1])
    case = f"{segments} segments that differ by one standard error"
    return (
        Figure(name=f"{case}: squared error, shrunk / measured", value=float(gain), low=0.0, high=0.7),
        Figure(name=f"{case}: shrunk ± 1.96 se holds the truth", value=float(covered), low=0.9, high=0.98),
    )


def several_treatments(rng: np.random.Generator, runs: int = 20_000) -> tuple[Figure, ...]:
    """Three treatments without an effect: the chance that any of them is called different."""
    figures = []
    for case, control_n, rate in (("equal arms", 4_000, 0.05), ("a control twice as large", 8_000, 0.05)):
        control = conversions(rng, (runs, 1), control_n, rate)
        treatments = conversions(rng, (runs, 3), 4_000, rate)
        naive, corrected = family_errors(control, treatments, float(control_n), 4_000.0)
        figures += [
            Figure(name=f"3 treatments, {case}: some p ≤ .05 uncorrected", value=naive, low=0.1, high=0.15),
            Figure(name=f"3 treatments, {case}: some Dunnett p ≤ .05", value=corrected, low=0.04, high=0.06),
        ]
    sample = rng.normal(size=(runs, 4, 25)) * np.array([1.0, 1.0, 1.5, 2.0])[:, None]
    mean, var = sample.mean(2), sample.var(2, ddof=1) / 25
    _, corrected = family_errors((mean[:, :1], var[:, :1]), (mean[:, 1:], var[:, 1:]), 25.0, 25.0)
    name = "3 treatments, 25 users an arm, sd 1 1 1.5 2: some Dunnett p ≤ .05"
    return (*figures, Figure(name=name, value=corrected, low=0.04, high=0.06))


def family_errors(
    control: tuple[Array, Array], treatments: tuple[Array, Array], control_n: float, n: float
) -> tuple[float, float]:
    """The share of runs with some p ≤ alpha, uncorrected and by Dunnett."""
    effect, var = treatments[0] - control[0], treatments[1] + control[1]
    p_values, df = welch(effect, control[1], treatments[1], np.array(control_n), np.array(n))
    t = effect / np.sqrt(var)
    found = 0
    for row in np.flatnonzero((p_values <= ALPHA).any(1)):  # Dunnett's p is never below Student's
        rule = Dunnett(loadings(float(np.sqrt(control[1][row, 0])), np.sqrt(var[row]).tolist()))
        found += any(rule.p_value(*pair)[0] <= ALPHA for pair in zip(t[row].tolist(), df[row].tolist(), strict=True))
    return float((p_values <= ALPHA).any(1).mean()), found / len(t)


def secondary_metrics(rng: np.random.Generator, runs: int = 20_000, metrics: int = 20) -> tuple[Figure, ...]:
    """Twenty metrics that move together (correlation .3); none, or the first five, with an effect of 3 se."""
    figures = []
    for real in (0, 5):
        truth = np.where(np.arange(metrics) < real, 3.0, 0.0)
        z = truth + np.sqrt(0.3) * rng.normal(size=(runs, 1)) + np.sqrt(0.7) * rng.normal(size=(runs, metrics))
        p_values = 2 * special.ndtr(-np.abs(z))
        families = [benjamini_hochberg(row, ALPHA) for row in p_values.tolist()]
        found = p_values <= np.array([[family.level] for family in families])
        half = np.array([[critical_value(family.level, 1e9)] for family in families])
        error, fixed = np.abs(z - truth), p_values <= ALPHA
        case = f"{metrics} metrics, {real} real"
        figures += [
            Figure(name=f"{case}: false discoveries", value=share(found & (truth == 0), found), low=0.0, high=0.05),
            Figure(
                name=f"{case}: found, interval misses", value=share(found & (error > half), found), low=0.0, high=0.05
            ),
            Figure(
                name=f"{case}: the same, uncorrected", value=share(fixed & (error > 1.96), fixed), low=0.05, high=1.0
            ),
        ]
    return tuple(figures)


def share(wrong: npt.NDArray[np.bool_], named: npt.NDArray[np.bool_]) -> float:
    """The mean over runs of wrong / named, 0 where nothing is named."""
    return float((wrong.sum(1) / np.maximum(named.sum(1), 1)).mean())


def novelty(rng: np.random.Generator, runs: int = 4_000, users: int = 500, days: int = 14) -> tuple[Figure, ...]:
    """One cohort whose users differ in how often they act and leave for good with 5 % a day; both arms alike."""
    differences, slopes = [], []
    for _ in range(runs // 50):
        c, t = (actions(rng, (50, users, days)) for _ in range(2))
        change_c, change_t = (arm[..., 7:].sum(2) - arm[..., :7].sum(2) for arm in (c, t))
        differences.append(stats.ttest_ind(change_t, change_c, axis=1, equal_var=False).pvalue)
        slopes.append(slope_p(t.mean(1) - c.mean(1)))
    ours, regression = (float((np.concatenate(p) <= ALPHA).mean()) for p in (differences, slopes))
    return (
        Figure(name="novelty, A/A: late minus early per user, Welch", value=ours, low=0.03, high=0.07),
        Figure(name="novelty, A/A: regression on the daily lift", value=regression, low=0.08, high=0.2, note="wrong"),
    )


def actions(rng: np.random.Generator, shape: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    """Actions per run, user and day."""
    rate = rng.gamma(0.5, 0.6, (*shape[:2], 1))
    alive = rng.geometric(0.05, (*shape[:2], 1)) > np.arange(shape[2])
    return rng.poisson(rate * alive)


def slope_p(lift: Array) -> Array:
    """The p-value of the slope of ordinary least squares on the day, per run."""
    days = lift.shape[1]
    x = np.arange(days) - (days - 1) / 2
    slope = lift @ x / (x @ x)
    residual = lift - lift.mean(1, keepdims=True) - slope[:, None] * x
    se = np.sqrt((residual**2).sum(1) / (days - 2) / (x @ x))
    return np.asarray(2 * special.stdtr(days - 2, -np.abs(slope / se)), dtype=np.float64)
