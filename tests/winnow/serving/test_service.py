"""The chain from a request to a list: arms, fallbacks, eligibility, exploration."""

from __future__ import annotations

import json
import shutil
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.assignment import bucket_ranges, choose, hash_unit
from experiments.contracts import Unit
from experiments.errors import UnknownExperiment
from experiments.services import lifecycle
from tests.winnow.serving import shop
from winnow.catalog.models import Item
from winnow.serving import arms, catalogues, service, versions
from winnow.serving.contracts import Request, ServedList, Source, Trouble
from winnow.serving.counters import RERANKS
from winnow.serving.parsing import parse
from winnow.serving.popularity import POPULARITY

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("serving_home")]
pytest_plugins = ["tests.winnow.serving.fixtures"]


def request(**fields: object) -> Request:
    return parse(json.dumps({"user_id": "ann"} | fields if "users" not in fields else fields).encode())


def ask(**fields: object) -> ServedList:
    (made,) = service.recommend(request(**fields))
    return made


def ids(made: ServedList) -> list[str]:
    return [slot.item_id for slot in made.slots]


def sources(made: ServedList) -> set[Source]:
    return {slot.source for slot in made.slots}


def test_a_running_experiment_assigns_by_the_hash_of_the_user(knn):
    other = shop.register("recent-popularity")
    shop.experiment(knn, other)
    users = [{"user_id": f"u{number}"} for number in range(60)]
    for made in service.recommend(request(experiment="exp", users=users)):
        position = choose(hash_unit("exp", made.person.who), bucket_ranges([1, 1]))
        assert made.arm == ("control", "arm-1")[position]
        assert f"{made.strategy}@{made.version}" == (knn, other)[position]
        assert made.trouble is None


def test_where_the_impression_is_the_unit_the_list_is_assigned_and_not_the_user(knn):
    shop.experiment(knn, knn, unit=Unit.IMPRESSION)
    made = [ask(experiment="exp") for _ in range(12)]
    assert {one.arm for one in made} == {"control", "arm-1"}
    for one in made:
        assert one.arm == ("control", "arm-1")[choose(hash_unit("exp", one.ranking_id), bucket_ranges([1, 1]))]


@pytest.mark.parametrize("state", ["draft", "stopped"])
def test_an_experiment_that_does_not_run_assigns_nobody_and_its_control_answers(knn, state):
    shop.experiment(knn, shop.register("recent-popularity"), start=state == "stopped")
    if state == "stopped":
        lifecycle.stop("exp")
    made = [ask(experiment="exp", user_id=f"u{number}") for number in range(8)]
    assert {(one.arm, one.strategy, one.trouble) for one in made} == {(None, "item-knn", None)}


def test_a_stop_is_seen_within_seconds(knn, monkeypatch):
    shop.experiment(knn, knn)
    assert ask(experiment="exp").arm
    lifecycle.stop("exp")
    monkeypatch.setattr(arms.ALLOCATIONS, "_seconds", 0.0)
    assert ask(experiment="exp").arm is None


def test_an_unknown_experiment_is_an_error():
    with pytest.raises(UnknownExperiment):
        ask(experiment="none")


def test_rolling_back_is_pointing_to_an_older_version(knn, monkeypatch):
    monkeypatch.setattr(versions.REGISTERED, "_seconds", 0.0)
    newer = shop.register("item-knn", version="v2")
    assert ask(strategy="item-knn").version == "v2"
    shop.current_is("item-knn", knn)
    assert ask(strategy="item-knn").version == "v1"
    assert ask(strategy=newer).version == "v2"


@pytest.mark.parametrize(
    ("label", "trouble"),
    [("nothing", Trouble.UNKNOWN_VERSION), ("item-knn@v9", Trouble.UNKNOWN_VERSION)],
)
def test_what_is_not_there_gives_what_is_popular(knn, label, trouble):
    POPULARITY.set({"i07": 9.0, "elsewhere": 3.0, "i01": 2.0})
    made = ask(strategy=label)
    assert (ids(made), made.trouble, sources(made)) == (["i07", "elsewhere", "i01"], trouble, {Source.FALLBACK})


def test_a_strategy_without_a_current_version_falls_back(knn):
    shop.current_is("item-knn", None)
    Item.objects.create(item_id="i00")
    made = ask(strategy="item-knn")
    assert (ids(made), made.trouble) == (["i00"], Trouble.NO_VERSION)


def test_an_arm_without_a_strategy_of_ours_falls_back(knn):
    POPULARITY.set({"i07": 9.0})
    shop.experiment("", "")
    made = ask(experiment="exp")
    assert (ids(made), made.trouble, made.arm is None) == (["i07"], Trouble.NO_STRATEGY, False)


def flip_a_byte(folder):
    path = folder / "state.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(folder):
    """A whole version in the place of another one: every hash of its manifest is right."""
    shop.register("ease", version="v1")
    shutil.rmtree(folder)
    shutil.copytree(folder.parent.parent / "ease" / "v1", folder)


@pytest.mark.parametrize("spoil", [flip_a_byte, swap, shutil.rmtree], ids=["flipped byte", "swapped", "gone"])
def test_an_artefact_that_is_not_what_was_registered_never_serves(knn, serving_home, spoil):
    POPULARITY.set({"i07": 9.0})
    spoil(serving_home / "artefacts" / "item-knn" / "v1")
    made = ask(strategy=knn)
    assert (ids(made), made.trouble) == (["i07"], Trouble.BROKEN_ARTEFACT)


def test_a_mended_artefact_serves_again(knn, serving_home, monkeypatch):
    folder = serving_home / "artefacts" / "item-knn" / "v1"
    shutil.copytree(folder, serving_home / "copy")
    flip_a_byte(folder)
    assert ask(strategy=knn).trouble is Trouble.BROKEN_ARTEFACT
    shutil.rmtree(folder)
    shutil.move(serving_home / "copy", folder)
    assert ask(strategy=knn).trouble is Trouble.BROKEN_ARTEFACT  # looked at again later, and not with every request
    monkeypatch.setattr(versions, "RETRY", 0.0)
    assert ask(strategy=knn).trouble is None


@pytest.mark.parametrize(
    ("how", "trouble"),
    [
        ("raises", Trouble.RAISED),
        ("raises a timeout of its own", Trouble.RAISED),
        ("nan", Trouble.NOT_FINITE),
        ("wrong shape", Trouble.WRONG_SHAPE),
        ("a list", Trouble.WRONG_SHAPE),
    ],
)
def test_a_strategy_that_fails_is_replaced_by_what_is_popular_of_its_catalogue(knn, how, trouble):
    POPULARITY.set({"i07": 9.0, "elsewhere": 3.0, "i01": 2.0})
    shop.misbehave(knn, how)
    made = ask(strategy=knn, k=4)
    assert (ids(made), made.trouble) == (["i07", "i01", "i00", "i02"], trouble)
    assert [slot.score for slot in made.slots] == [None] * 4


def test_scores_that_are_no_numbers_are_left_out_and_the_others_kept(knn):
    shop.misbehave(knn, "some infinite")
    made = ask(strategy=knn, candidates=[*shop.ITEMS[3:10]], k=5)
    assert (ids(made), made.trouble, sources(made)) == (
        ["i09", "i08", "i07", "i04", "i03"],
        Trouble.NOT_FINITE,
        {Source.STRATEGY},
    )


def test_a_list_that_is_too_short_is_filled_up(knn):
    POPULARITY.set({"i01": 9.0, "i30": 3.0})
    shop.misbehave(knn, "too few")
    made = ask(strategy=knn, k=5)
    assert (ids(made), made.trouble) == (["i02", "i01", "i00", "i30", "i03"], Trouble.TOO_FEW)
    assert [slot.source for slot in made.slots] == [Source.STRATEGY] * 3 + [Source.FALLBACK] * 2


def test_a_strategy_that_sleeps_is_not_waited_for_and_soon_not_asked_any_more(knn):
    shop.misbehave(knn, "sleeps")
    for _ in range(4):
        started = time.monotonic()
        made = ask(strategy=knn, budget_ms=20)
        assert made.trouble is Trouble.SLOW
        assert time.monotonic() - started < 0.4
        assert len(made.slots) == 10
    assert "earlier calls" in ask(strategy=knn, budget_ms=10_000).message
    while shop.loaded(knn).overdue:
        time.sleep(0.05)
    assert ask(strategy=knn, budget_ms=10_000).trouble is None


def test_the_platforms_own_bound_holds_where_none_is_given(knn, settings):
    settings.SERVING_BUDGET_MS = 20
    shop.misbehave(knn, "sleeps")
    assert ask(strategy=knn).trouble is Trouble.SLOW


def test_a_version_that_is_still_loaded_is_not_waited_for(knn, monkeypatch):
    def slowly(registered):
        time.sleep(0.3)
        return real(registered)

    real = versions.load_registered
    monkeypatch.setattr(versions, "load_registered", slowly)
    assert ask(strategy=knn, budget_ms=20).trouble is Trouble.LOADING
    time.sleep(0.5)
    assert ask(strategy=knn).trouble is None


def test_ranking_again_gives_the_order_and_the_reasons(knn):
    shop.misbehave(knn, "rerank")
    made = ask(strategy=knn, k=3)
    assert ids(made) == ["i20", "i21", "i22"]  # the last of the best 20
    assert made.slots[0].reason.startswith("because")


def test_what_became_of_ranking_again_is_counted(knn):
    shop.misbehave(knn, "rerank")
    before = RERANKS.labels("answered")._value.get()
    ask(strategy=knn)
    ask(strategy=knn)
    assert RERANKS.labels("answered")._value.get() == before + 2


@pytest.mark.parametrize("how", ["rerank raises", "rerank invents"])
def test_the_first_order_stands_where_ranking_again_fails(knn, how):
    shop.misbehave(knn, how)
    made = ask(strategy=knn, k=3)
    assert (ids(made), made.trouble, sources(made)) == (
        ["i39", "i38", "i37"],
        Trouble.RERANK_FAILED,
        {Source.STRATEGY},
    )


def test_the_first_order_stands_where_ranking_again_takes_too_long(knn):
    shop.misbehave(knn, "rerank sleeps")
    made = ask(strategy=knn, k=3, budget_ms=200)
    assert (ids(made), made.trouble, sources(made)) == (["i39", "i38", "i37"], Trouble.RERANK_SLOW, {Source.STRATEGY})


def test_what_is_not_available_is_shown_to_nobody(knn, monkeypatch):
    assert "i05" in ids(ask(strategy=knn, k=40))
    Item.objects.create(item_id="i05", available=False)
    monkeypatch.setattr(catalogues.UNAVAILABLE, "_seconds", 0.0)
    assert "i05" not in ids(ask(strategy=knn, k=40))
    assert "i05" not in ids(ask(strategy=knn, candidates=["i05", "i06"]))
    assert "i05" not in ids(ask(strategy="none", candidates=["i05", "i06"]))


def test_candidates_and_exclusions_bound_the_list(knn):
    made = ask(strategy=knn, candidates=["i01", "i02", "i02", "nowhere"], exclude=["i02", "nowhere"])
    assert (ids(made), made.pool) == (["i01"], 1)


def test_candidates_that_the_version_does_not_know_are_shown_all_the_same(knn):
    made = ask(strategy=knn, candidates=["new-1", "new-2"])
    assert (ids(made), made.trouble) == (["new-1", "new-2"], Trouble.TOO_FEW)


def test_an_empty_list_says_so_and_is_logged(knn):
    made = ask(strategy=knn, candidates=["i01"], exclude=["i01"])
    assert (made.slots, made.pool) == ((), 0)


def test_more_than_there_is_gives_all_there_is(knn):
    made = ask(strategy=knn, k=500, history=[{"item_id": "i00"}])
    assert sorted(ids(made)) == sorted(shop.ITEMS[1:])
    assert ids(made)[-4:] == list(shop.NEVER_BOUGHT)
    assert made.trouble is Trouble.TOO_FEW


def test_the_history_may_be_shown_again_if_asked(knn):
    made = ask(strategy=knn, k=40, history=[{"item_id": "i00"}], exclude_history=False)
    assert "i00" in ids(made)


def test_unknown_items_and_users_and_empty_histories_are_answered(knn):
    popular = ids(ask(strategy=knn))
    assert ids(ask(strategy=knn, history=[])) == popular
    assert ids(ask(strategy=knn, history=[{"item_id": "nowhere"}])) == popular


def test_doubled_acts_count_once(knn):
    act = {"item_id": "i03", "timestamp": "2026-05-01T00:00:00Z", "event": "Product Viewed"}
    later = {"item_id": "i20", "timestamp": "2026-05-02T00:00:00Z"}
    assert ids(ask(strategy=knn, history=[later, act, act])) == ids(ask(strategy=knn, history=[act, later]))


def test_many_users_are_scored_in_parts(knn, monkeypatch):
    users = [{"user_id": f"u{number}", "history": [{"item_id": f"i{number:02}"}]} for number in range(20)]
    whole = service.recommend(request(strategy=knn, users=users))
    monkeypatch.setattr(service, "MOST_SCORES", 3 * len(shop.ITEMS))
    parts = service.recommend(request(strategy=knn, users=users))
    assert [ids(made) for made in parts] == [ids(made) for made in whole]


def test_logged_propensities_are_the_frequencies(knn):
    """20,000 lists of 3 from 5 with ε = .4: how often each item follows what is above it, against what was logged."""
    shop.experiment(knn, knn, exploration=0.4)
    users = [{"user_id": f"u{number}", "history": [], "candidates": [*shop.ITEMS[:5]]} for number in range(1_000)]
    counts: dict[tuple[str, ...], int] = {}
    logged: dict[tuple[str, ...], float] = {}
    for _ in range(20):
        for made in service.make_lists(request(experiment="exp", users=users, k=3), now=1):
            for length in range(4):
                prefix = tuple(ids(made)[:length])
                counts[prefix] = counts.get(prefix, 0) + 1
                if length:
                    propensity = made.slots[length - 1].propensity
                    assert logged.setdefault(prefix, propensity) == propensity
    assert len(logged) == 5 + 5 * 4 + 5 * 4 * 3
    for prefix, propensity in logged.items():
        n = counts[prefix[:-1]]
        se = np.sqrt(propensity * (1 - propensity) / n)
        assert abs(counts[prefix] / n - propensity) < 4.5 * se
    for prefix in counts:
        following = [value for longer, value in logged.items() if longer[:-1] == prefix]
        assert not following or sum(following) == pytest.approx(1)


def test_a_list_can_be_made_again_from_its_ranking_id(knn, monkeypatch):
    shop.experiment(knn, knn, exploration=0.5)
    first = ask(experiment="exp", k=20)
    monkeypatch.setattr(service.uuid, "uuid4", lambda: first.ranking_id)
    assert ask(experiment="exp", k=20) == first
    assert Source.EXPLORATION in sources(first)


item_ids = st.sampled_from([*shop.ITEMS, "nowhere"])


@given(
    k=st.integers(1, 60),
    exploration=st.sampled_from([0.0, 0.3, 1.0]),
    history=st.lists(item_ids, max_size=50),
    exclude=st.lists(item_ids, max_size=45),
    candidates=st.none() | st.lists(st.sampled_from(shop.ITEMS), max_size=40),
    exclude_history=st.booleans(),
    how=st.sampled_from(["", "raises", "nan", "some infinite", "too few", "rerank"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_list_has_no_doubles_nothing_excluded_and_as_many_as_it_may(
    knn, k, exploration, history, exclude, candidates, exclude_history, how
):
    shop.misbehave(knn, how)
    arms.ALLOCATIONS.forget()
    key = f"exp-{int(exploration * 10)}"
    if not shop.exists(key):
        shop.experiment(knn, knn, key=key, exploration=exploration)
    made = ask(
        experiment=key,
        k=k,
        history=[{"item_id": item_id} for item_id in history],
        exclude=exclude,
        candidates=candidates,
        exclude_history=exclude_history,
    )
    shown = ids(made)
    allowed = set(shop.ITEMS if candidates is None else candidates) - set(exclude)
    allowed -= set(history) if exclude_history else set()
    assert len(shown) == len(set(shown)) == min(k, len(allowed))
    assert set(shown) <= allowed
    assert made.pool == len(allowed)
    assert all(0 < slot.propensity <= 1 for slot in made.slots)
    if not exploration:
        assert all(slot.propensity == 1 for slot in made.slots)
