"""Strategies are judged on the same users, beside the references, and one that fails costs the others nothing."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from recommenders.artefacts import fingerprint
from recommenders.base import NoConfig, Strategy, report_of
from recommenders.contracts import Batch, Floats, Interactions
from recommenders.data.sequences import load_sequences
from recommenders.errors import InvalidData, UnknownStrategy
from recommenders.offline.evaluation import WITHOUT_END, compare, evaluate
from recommenders.offline.report import to_json
from recommenders.offline.runs import run
from recommenders.offline.slices import slices_of
from recommenders.offline.splits import leave_last_out, temporal
from recommenders.strategies.baselines import PopularityConfig, Random, RecentPopularity
from recommenders.strategies.ease import Ease, EaseConfig
from recommenders.strategies.item_knn import ItemKnn, ItemKnnConfig
from recommenders.strategies.user_knn import UserKnn
from recommenders.testing import tastes


class Broken(Strategy[NoConfig]):
    """Raises, or scores nothing but nan, in the last row of every batch."""

    key, name, family, Config = "broken", "Broken", "baseline", NoConfig
    how = "raise"

    def fit(self, data, *, seed=0, budget=None, progress=None):
        self.count = len(data.catalogue)
        return report_of(data, 0.0)

    def score(self, batch: Batch) -> Floats:
        if self.how == "raise":
            raise ZeroDivisionError("a mistake in it")
        scores = np.zeros((len(batch), self.count), dtype=np.float32)
        scores[-1] = np.nan
        return scores

    def state(self):
        return {}

    @classmethod
    def restore(cls, config, arrays, items):
        return cls(config)


def test_the_references_always_stand_beside_the_candidate() -> None:
    report = evaluate(["random"], tastes(), k=5, seed=3)
    assert [one.label for one in report.strategies] == ["random", "recent-popularity", "user-frequency", "item-knn"]
    assert report.references == ("recent-popularity", "user-frequency", "item-knn")
    assert (report.k, report.seed, report.new_only, report.evaluated, report.skipped) == (5, 3, False, 240, 0)
    assert report.protocol == {"split": "leave-last-out"}
    assert report.data == fingerprint(tastes())
    assert report.strategy("item-knn").config["repeats"] is True
    assert all(one.fit_seconds >= 0 and one.score_seconds >= 0 for one in report.strategies)
    assert evaluate(["item-knn"], tastes(), new_only=True).strategy("item-knn").config["repeats"] is False


def test_figures_and_differences_are_the_t_intervals_of_scipy_on_the_users() -> None:
    data = tastes()
    split = leave_last_out(data)
    report = compare([Random()], data, split, k=5, seed=1)
    vectors = {}
    for strategy in (Random(), RecentPopularity()):
        strategy.fit(split.train, seed=1)
        slices = slices_of(split, k=5, new_only=False)
        vectors[strategy.key] = run(strategy, split, slices, k=5, predict=False, progress=lambda share: None).accuracy[
            "ndcg", "all"
        ]
    figure = report.strategy("random").figure("ndcg")
    expected = stats.ttest_1samp(vectors["random"], 0)
    assert figure.value == pytest.approx(vectors["random"].mean(), abs=1e-12)
    assert (figure.ci_low, figure.ci_high) == pytest.approx(tuple(expected.confidence_interval(0.95)), abs=1e-12)
    difference = report.difference("random", "recent-popularity", "ndcg")
    expected = stats.ttest_rel(vectors["random"], vectors["recent-popularity"])
    assert difference.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (difference.ci_low, difference.ci_high) == pytest.approx(
        tuple(expected.confidence_interval(0.95)), abs=1e-12
    )


def test_a_difference_turned_round_changes_its_sign() -> None:
    report = evaluate([], tastes(), k=5)
    one = report.difference("item-knn", "user-frequency", "recall")
    other = report.difference("user-frequency", "item-knn", "recall")
    assert (one.effect, one.ci_low, one.ci_high) == pytest.approx((-other.effect, -other.ci_high, -other.ci_low))
    assert one.p_value == pytest.approx(other.p_value)


def test_rated_data_have_errors_of_the_strategies_that_predict_ratings_and_of_no_other() -> None:
    data = tastes()
    report = compare([UserKnn()], data, split := leave_last_out(data), k=5)
    strategy = UserKnn()
    strategy.fit(split.train)
    rows = np.arange(split.users.size)
    error = strategy.score(split.batch(0, rows.size))[rows, split.test.items] - split.test.values
    found = report.strategy("user-knn")
    assert found.figure("rmse").value == pytest.approx(float(np.sqrt(np.mean(error.astype(float) ** 2))), rel=1e-6)
    assert found.figure("mae").value == pytest.approx(float(np.abs(error).mean()), rel=1e-6)
    assert found.figure("rmse").ci_low < found.figure("rmse").value < found.figure("rmse").ci_high
    with pytest.raises(KeyError):
        report.strategy("item-knn").figure("rmse")
    unrated = evaluate([UserKnn()], replace(data, rated=False), k=5)
    with pytest.raises(KeyError):
        unrated.strategy("user-knn").figure("rmse")


def test_a_strategy_that_fails_says_why_and_the_others_have_their_figures(caplog: pytest.LogCaptureFixture) -> None:
    report = evaluate([Broken(), Ease(EaseConfig(max_items=3))], tastes(), k=5)
    assert report.strategy("broken").failure == "ZeroDivisionError: a mistake in it"
    assert "ease needs" in str(report.strategy("ease").failure)
    assert report.strategy("broken").figures == ()
    assert report.strategy("item-knn").figure("ndcg").n == 240
    assert not any("broken" in (one.strategy, one.reference) for one in report.differences)
    assert "broken could not be evaluated" in caplog.text


def test_scores_that_are_no_numbers_and_lists_that_are_too_short_are_counted() -> None:
    broken = Broken()
    broken.how = "nan"
    found = evaluate([broken], tastes(), k=5).strategy("broken")
    assert (found.not_numbers, found.short_lists) == (60, 1)
    assert found.failure is None


def test_a_strategy_may_be_compared_with_itself_under_another_configuration() -> None:
    report = evaluate([ItemKnn(), ItemKnn(ItemKnnConfig(decay=1.0))], tastes(), k=5, new_only=True)
    assert [one.label for one in report.strategies][:2] == ["item-knn", "item-knn (2)"]
    assert report.difference("item-knn (2)", "item-knn", "ndcg").n == report.evaluated


def test_a_candidate_is_the_reference_only_if_it_is_configured_as_the_reference_is() -> None:
    worse = evaluate([ItemKnn(ItemKnnConfig(neighbours=1, repeats=True))], tastes(), k=5)
    assert worse.references == ("recent-popularity", "user-frequency", "item-knn (reference)")
    assert worse.difference("item-knn", "item-knn (reference)", "ndcg").effect < 0
    same = evaluate([ItemKnn(ItemKnnConfig(repeats=True))], tastes(), k=5)
    assert [one.label for one in same.strategies] == ["item-knn", "recent-popularity", "user-frequency"]
    assert set(same.references) == {"item-knn", "recent-popularity", "user-frequency"}


def test_a_reference_that_is_not_installed_is_left_out_and_said() -> None:
    data = tastes()
    report = compare(["random"], data, leave_last_out(data), references=("recent-popularity", "absent"))
    assert report.references == ("recent-popularity",)
    assert report.notes[0].startswith("the reference absent is left out: there is no strategy 'absent'")


def test_lists_longer_than_the_catalogue_are_possible_and_said() -> None:
    report = evaluate(["random"], tastes(), k=100)
    assert report.strategy("random").figure("recall").value == 1
    assert report.strategy("random").short_lists == 0
    assert report.notes == ("k = 100 is more than the 60 items: lists are shorter",)


def test_users_with_nothing_to_find_are_counted() -> None:
    data = tastes()
    new, everything = (evaluate([], data, new_only=flag) for flag in (True, False))
    assert new.evaluated + new.skipped == everything.evaluated == 240
    assert 0 < new.evaluated < 240
    single = data.take(data.offsets[:-1][1:])  # one event each, without the first user
    first = Interactions.build(
        users=[0, 0, *single.users],
        items=[1, 2, *single.items],
        catalogue=data.catalogue,
        user_ids=data.user_ids,
    )
    assert (evaluate([], first).evaluated, evaluate([], first).skipped) == (1, 239)


def test_one_evaluated_user_has_figures_without_intervals() -> None:
    data = Interactions.build(users=[0, 0, 1], items=[0, 1, 1], catalogue=tastes().catalogue, user_ids=["x", "y"])
    figure = evaluate([], data, k=3).strategy("item-knn").figure("ndcg")
    assert figure.n == 1
    assert math.isnan(figure.ci_low)


def test_cold_users_are_served_in_a_temporal_split() -> None:
    data = tastes()
    newcomers = data.take((data.users < 200) | (data.times > 10 * 3_600))
    report = compare([], newcomers, temporal(newcomers, 9 * 3_600), k=5)
    assert report.strategy("item-knn").figure("recall", "cold users").n == 40
    assert math.isfinite(report.strategy("item-knn").figure("recall", "cold users").value)


def test_the_report_is_plain_json_without_nan() -> None:
    plain = to_json(evaluate([Broken()], tastes(), k=5))
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["format"] == 1


def test_the_same_seed_gives_the_same_figures() -> None:
    one, other = (evaluate(["random"], tastes(), k=5, seed=9) for _ in range(2))
    assert [each.figures for each in one.strategies] == [each.figures for each in other.strategies]


def test_progress_goes_up_to_one_and_names_what_is_done() -> None:
    seen: list[tuple[float, str]] = []
    evaluate(["random"], tastes(), progress=lambda share, step: seen.append((share, step)))
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert "item-knn: similar items" in [step for _, step in seen]


def test_what_cannot_be_evaluated_is_said() -> None:
    data = tastes()
    with pytest.raises(InvalidData, match="k: 0 must be at least 1"):
        evaluate([], data, k=0)
    with pytest.raises(UnknownStrategy, match="nothing-such"):
        evaluate(["nothing-such"], data)
    with pytest.raises(InvalidData, match="split"):
        evaluate([], data, split="by-chance")
    again = Interactions.build(users=[0, 0], items=[1, 1], catalogue=data.catalogue, user_ids=["x"])
    with pytest.raises(InvalidData, match="no user has anything to find that is new"):
        evaluate([], again, new_only=True)


@pytest.mark.real_data
def test_amazon_beauty_gives_the_figures_that_are_known(real_data) -> None:
    data = load_sequences(real_data / "amazon_beauty.txt.gz")
    assert (len(data.user_ids), len(data.catalogue), len(data)) == (22_363, 12_101, 198_502)
    plain = RecentPopularity(PopularityConfig(half_life_days=None))
    published = compare([plain], data, leave_last_out(data, unlearnt=1), new_only=True)
    figure = published.strategy("recent-popularity").figure("ndcg")
    assert figure.n == 22_363
    assert figure.value == pytest.approx(0.0054, abs=0.0003)
    report = compare([plain], data, leave_last_out(data), new_only=True)
    found = report.strategy("item-knn")
    assert found.figure("ndcg").value >= 0.050
    assert found.figure("coverage").value > 0.9
    assert report.difference("item-knn", "recent-popularity (reference)", "ndcg").ci_low > 0.04


def test_intervals_end_where_their_metric_does():
    report = evaluate(["user-knn"], tastes(), k=5)
    figures = [figure for one in report.strategies for figure in one.figures if not math.isnan(figure.ci_low)]
    assert figures
    for figure in figures:
        most = math.inf if figure.metric in WITHOUT_END else 1.0
        assert 0 <= figure.ci_low <= figure.value <= figure.ci_high <= most
