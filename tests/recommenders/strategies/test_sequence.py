"""The sequence model keeps the contract with each encoder, serves in numpy what it learnt in torch, and knows order."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recommenders.artefacts import save
from recommenders.contracts import Budget, Floats, Interactions, Items, Kind
from recommenders.errors import InvalidConfig, MissingExtra, Unfit
from recommenders.ranking import top_k
from recommenders.strategies.sequence import Sequence
from recommenders.strategies.sequence_config import ENCODERS, SequenceConfig
from recommenders.strategies.sequence_course import newcomers_bonus
from recommenders.strategies.sequence_items import leading
from recommenders.strategies.sequence_windows import batches, hold_out
from recommenders.testing import StrategyContract

torch = pytest.importorskip("torch")
training = pytest.importorskip("recommenders.strategies.sequence_training")

SMALL = SequenceConfig(width=16, dropout=0.1, negatives=64, passes=8, batch=256)
CYCLE, GROUPS = 12, 8


class TestTransformer(StrategyContract):
    strategy = Sequence
    config = replace(SMALL, heads=2, layers=2)


class TestGru(StrategyContract):
    strategy = Sequence
    config = replace(SMALL, encoder="gru", layers=2)


class TestLstm(StrategyContract):
    strategy = Sequence
    config = replace(SMALL, encoder="lstm")


def walks(users: int = 200, steps: int = 9) -> Interactions:
    """Everybody walks in a circle of items, from anywhere, half of them backwards: only order tells what comes next."""
    rng = np.random.default_rng(3)
    begin, way = rng.integers(CYCLE, size=(users, 1)), np.where(np.arange(users) % 2, 1, -1)[:, None]
    return Interactions.build(
        users=np.repeat(np.arange(users), steps),
        items=((begin + way * np.arange(steps)) % CYCLE).ravel(),
        catalogue=Items(ids=tuple(f"item-{i}" for i in range(CYCLE))),
        user_ids=[f"user-{i}" for i in range(users)],
    )


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_order_of_a_history_tells_what_comes_next(encoder: str) -> None:
    data = walks()
    strategy = Sequence(replace(SMALL, encoder=encoder, passes=30, learning_rate=0.01))
    strategy.fit(data)
    asked = Interactions.build(
        users=[0, 0, 0, 1, 1, 1], items=[3, 4, 5, 5, 4, 3], catalogue=data.catalogue, user_ids=["up", "down"]
    )
    best = top_k(strategy.score(asked.batch([0, 1])), 1).items[:, 0]
    assert best.tolist() == [6, 2]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("layers", [1, 3])
def test_numpy_computes_the_states_that_torch_computes(encoder: str, layers: int) -> None:
    rng = np.random.default_rng(5)
    data = described(hidden=False)
    config = replace(SMALL, encoder=encoder, layers=layers, heads=4, history=7, dropout=0.0)
    content = rng.standard_normal((len(data.catalogue), 5), dtype=np.float32)
    torch.manual_seed(1)
    network = training.Network(config, data, rng.standard_normal((len(data.catalogue), 16)).astype(np.float32), content)
    with torch.no_grad():
        for one in network.parts.parameters():
            one += 0.3 * torch.randn_like(one)
    model = training.model_of(network.arrays(), config)
    items = rng.integers(len(data.catalogue) + 1, size=(6, 7))
    kinds = rng.integers(len(Kind), size=(6, 7))
    ends = np.array([0, 6, 3, 2, 6, 1])
    with torch.no_grad():
        states = network.states(torch.from_numpy(items), torch.from_numpy(kinds))[torch.arange(6), ends]
        queries = {task: network.query(task, states).numpy() for task in network.tasks}
    ours = model.encode(items, kinds, ends)
    np.testing.assert_allclose(ours, states.numpy(), rtol=1e-4, atol=1e-5)
    assert set(model.tasks) == set(queries) == {"click", "purchase"}
    for task, query in queries.items():
        np.testing.assert_allclose(model.query(task, ours), query, rtol=1e-4, atol=1e-5)


def test_what_comes_after_the_end_of_a_history_is_not_read() -> None:
    strategy, data = small()
    batch = data.batch([3])
    alone = strategy.score(batch)
    beside = strategy.score(data.batch([3, 4]))
    np.testing.assert_allclose(beside[0], alone[0], rtol=1e-4, atol=1e-5)


def test_what_is_bought_together_is_asked_of_the_state_before_it() -> None:
    catalogue = Items(ids=tuple("abcdef"))
    data = Interactions.build(
        users=[0] * 5, items=[0, 1, 2, 3, 4], times=[1, 2, 2, 2, 3], catalogue=catalogue, user_ids=["x"]
    )
    (batch,) = batches(data, 50, 100, np.random.default_rng(0))
    assert batch.items.tolist() == [[len(catalogue), 0, 1, 2, 3]]
    assert batch.targets.tolist() == [[0, 1, 2, 3, 4]]
    assert batch.known_at.tolist() == [[0, 1, 1, 1, 4]]
    assert batch.asked.all()


@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=8), longest=st.integers(1, 12), seed=st.integers(0, 99))
def test_every_event_is_asked_for_once_in_a_pass(sizes: list[int], longest: int, seed: int) -> None:
    data = Interactions.build(
        users=np.repeat(np.arange(len(sizes)), sizes),
        items=np.arange(sum(sizes)),
        catalogue=Items(ids=tuple(map(str, range(sum(sizes))))),
        user_ids=[str(user) for user in range(len(sizes))],
    )
    seen = [batch.targets[batch.asked] for batch in batches(data, longest, 16, np.random.default_rng(seed))]
    assert sorted(np.concatenate([np.zeros(0, dtype=np.int64), *seen]).tolist()) == list(range(sum(sizes)))


def test_the_last_moment_of_the_held_out_is_not_trained_on() -> None:
    whole = walks()
    data = replace(whole, times=whole.times // 2)
    kept, held_out = hold_out(data, 0.5, np.random.default_rng(0))
    assert held_out is not None
    assert held_out.users.size == 100
    assert len(data) > len(kept) >= len(data) - 2 * 100
    last = data.offsets[held_out.users + 1] - 1
    np.testing.assert_array_equal(held_out.targets, data.items[last])
    left = kept.times[kept.offsets[held_out.users + 1] - 1]
    assert (left < data.times[last]).all()


def test_of_too_few_users_none_is_held_out() -> None:
    data = walks()
    kept, held_out = hold_out(data, 0.05, np.random.default_rng(0))
    assert held_out is None
    assert kept is data


def test_leading_directions_are_those_of_a_full_decomposition() -> None:
    rng = np.random.default_rng(6)
    dense = (rng.standard_normal((40, 6)) @ np.diag([9, 7, 5, 3, 2, 1]) @ rng.standard_normal((6, 30))).astype(
        np.float32
    )
    left, strength, right = leading(sparse.csr_array(dense), 8, rng)
    np.testing.assert_allclose(strength, np.linalg.svd(dense, compute_uv=False)[:8], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose((left * strength) @ right, dense, rtol=1e-3, atol=1e-2)


def test_only_the_last_events_are_read() -> None:
    data = walks()
    strategy = Sequence(replace(SMALL, history=4, passes=1))
    strategy.fit(data)
    rows = np.concatenate([np.arange(data.offsets[u + 1] - 4, data.offsets[u + 1]) for u in range(20)])
    users = np.arange(20)
    np.testing.assert_allclose(
        strategy.score(data.batch(users)), strategy.score(data.take(rows).batch(users)), rtol=1e-5, atol=1e-5
    )


def described(*, hidden: bool = True, seed: int = 2, users: int = 300, events: int = 8) -> Interactions:
    """Users click, and sometimes buy, items of one topic, which the texts name; half of each topic's items are new."""
    rng = np.random.default_rng(seed)
    topic = np.repeat(np.arange(GROUPS), 20)
    own = rng.integers(GROUPS, size=users)
    who = np.repeat(np.arange(users), events)
    offered = 10 if hidden else 20
    what = np.where(rng.random(who.size) < 0.9, own[who], rng.integers(GROUPS, size=who.size)) * 20
    return Interactions.build(
        users=who,
        items=what + rng.integers(offered, size=who.size),
        kinds=np.where(rng.random(who.size) < 0.3, Kind.PURCHASE, Kind.CLICK),
        catalogue=Items(
            ids=tuple(f"item-{i}" for i in range(topic.size)),
            texts=tuple(f"topic{t} colour{rng.integers(5)} size{rng.integers(5)}" for t in topic),
        ),
        user_ids=[str(user) for user in range(users)],
    )


@cache
def small() -> tuple[Sequence, Interactions]:
    data = described()
    strategy = Sequence(replace(SMALL, passes=16, learning_rate=0.005))
    strategy.fit(data)
    return strategy, data


def share_of_own_topic(scores: Floats, data: Interactions) -> float:
    """Of the ten best new items: how many are of the topic that their user mostly took."""
    cold = np.flatnonzero(np.bincount(data.items, minlength=len(data.catalogue)) == 0)
    taste = np.array([np.bincount(data.batch([u]).items // 20, minlength=GROUPS).argmax() for u in range(len(scores))])
    return float((cold[top_k(scores[:, cold], 10).items] // 20 == taste[:, None]).mean())


def test_items_that_nobody_took_are_recommended_by_their_text() -> None:
    strategy, data = small()
    scores = strategy.score(data.batch(np.arange(300)))
    assert np.isfinite(scores).all()
    assert share_of_own_topic(scores, data) > 5 / GROUPS


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_items_that_nobody_took_get_the_share_of_the_best_places_that_was_asked_for(share: float) -> None:
    strategy, data = small()
    cold = np.bincount(data.items, minlength=len(data.catalogue)) == 0
    behind = replace(strategy.model, bonus=np.where(cold, -20, 0).astype(np.float32))
    bonus = newcomers_bonus(behind, data, cold, share, np.random.default_rng(0))
    model = replace(behind, bonus=behind.bonus + np.where(cold, bonus, 0).astype(np.float32))
    batch = data.batch(np.arange(300))
    shown = top_k(model.score(batch), 50, excluded=(batch.rows, batch.items.astype(np.int64))).items
    assert cold[shown].mean() == pytest.approx(share, rel=0.15)


def test_items_that_nobody_took_are_never_pushed_down() -> None:
    strategy, data = small()
    cold = np.bincount(data.items, minlength=len(data.catalogue)) == 0
    ahead = replace(strategy.model, bonus=np.where(cold, 20, 0).astype(np.float32))
    assert newcomers_bonus(ahead, data, cold, 0.02, np.random.default_rng(0)) == 0.0


def test_without_content_nothing_is_claimed_of_items_that_nobody_took() -> None:
    data = described()
    strategy = Sequence(replace(SMALL, texts=False, passes=1))
    strategy.fit(data)
    taken = np.bincount(data.items, minlength=len(data.catalogue)) > 0
    scores = strategy.score(data.batch(np.arange(10)))
    np.testing.assert_array_equal(np.isfinite(scores), np.tile(taken, (10, 1)))


def pictures(data: Interactions, shape: tuple[int, ...]) -> Floats:
    """A picture of each item: noise, and where it is bright tells the topic."""
    rng = np.random.default_rng(8)
    noise = rng.random((len(data.catalogue), 8, 8), dtype=np.float32)
    topic = np.arange(len(data.catalogue)) // 20
    noise[np.arange(topic.size), topic] += 3.0
    noise[np.arange(topic.size), :, topic] += 3.0
    return np.tile(noise.reshape(len(noise), *shape), 1)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (8, 8, 1), (1, 8, 8)])
def test_pictures_or_their_vectors_lead_to_new_items_as_well(shape: tuple[int, ...]) -> None:
    data = described()
    seen = replace(data, catalogue=Items(ids=data.catalogue.ids, images=pictures(data, shape)))
    strategy = Sequence(SMALL)
    strategy.fit(seen)
    assert share_of_own_topic(strategy.score(seen.batch(np.arange(300))), seen) > 3 / GROUPS


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded(Items):
    """Items that come with vectors of a text encoder."""

    vectors: Floats | None = None


def test_vectors_of_a_text_encoder_are_read_where_items_have_them() -> None:
    data = described()
    vectors = np.eye(GROUPS, dtype=np.float32)[np.arange(len(data.catalogue)) // 20]
    encoded = replace(data, catalogue=Encoded(ids=data.catalogue.ids, vectors=vectors))
    strategy = Sequence(SMALL)
    report = strategy.fit(encoded)
    assert report.notes["content_features"] == GROUPS
    assert share_of_own_topic(strategy.score(encoded.batch(np.arange(300))), encoded) > 5 / GROUPS


def test_each_task_has_a_head_and_the_share_says_which_one_ranks() -> None:
    """Clicks go to even items, purchases to odd ones."""
    rng = np.random.default_rng(4)
    kinds = np.where(rng.random(3_000) < 0.5, Kind.PURCHASE, Kind.CLICK)
    data = Interactions.build(
        users=np.repeat(np.arange(300), 10),
        items=2 * rng.integers(10, size=3_000) + (kinds == Kind.PURCHASE),
        kinds=kinds,
        catalogue=Items(ids=tuple(map(str, range(20)))),
        user_ids=[str(user) for user in range(300)],
    )
    config = replace(SMALL, passes=10, learning_rate=0.01)
    trained = Sequence(config)
    report = trained.fit(data)
    assert report.notes["tasks"] == "click, purchase"
    for share, parity in ((0.0, 0), (1.0, 1)):
        strategy = Sequence.restore(replace(config, purchase_share=share), trained.state(), data.catalogue)
        best = top_k(strategy.score(data.batch(np.arange(50))), 5).items
        assert (best % 2 == parity).mean() > 0.9


def test_one_kind_of_events_is_one_task() -> None:
    report = Sequence(replace(SMALL, passes=1)).fit(walks())
    assert report.notes["tasks"] == "purchase"


def test_training_stops_at_its_budget_and_still_scores() -> None:
    data = walks()
    strategy = Sequence(replace(SMALL, passes=100_000))
    report = strategy.fit(data, budget=Budget(seconds=0.5))
    assert report.notes["steps"] < 100_000
    assert np.isfinite(strategy.score(data.batch([0]))).all()


def test_progress_grows_from_nothing_to_all() -> None:
    seen: list[float] = []
    Sequence(replace(SMALL, passes=10)).fit(walks(), progress=lambda share, step: seen.append(share))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert len(seen) > 3


def test_the_best_step_is_kept_where_enough_users_can_be_held_out() -> None:
    report = Sequence(replace(SMALL, passes=3, held_out=0.3)).fit(walks())
    assert 0 < report.notes["held_out_ndcg_10"] <= 1
    assert 0 < report.notes["best_step"] <= report.notes["steps"]


def test_training_leaves_torch_as_it_was() -> None:
    torch.manual_seed(11)
    threads, first = torch.get_num_threads(), torch.rand(3)
    torch.manual_seed(11)
    Sequence(replace(SMALL, passes=1)).fit(walks(), seed=5, budget=Budget(threads=1))
    assert torch.equal(torch.rand(3), first)
    assert torch.get_num_threads() == threads


def test_without_torch_training_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "recommenders.strategies.sequence_training")
    with pytest.raises(MissingExtra, match=r"pip install 'winnow-platform\[deep\]'"):
        Sequence().fit(walks())


def test_a_stored_version_scores_without_torch(tmp_path: Path) -> None:
    data = described()
    strategy = Sequence(replace(SMALL, passes=1))
    report = strategy.fit(data)
    save(strategy, tmp_path / "v", data=data, seed=0, report=report, code_version="test")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np; from pathlib import Path; from recommenders.artefacts import load\n"
        "from recommenders.contracts import Interactions\n"
        "strategy, items, _ = load(Path(sys.argv[1]))\n"
        "data = Interactions.build(users=[0, 0], items=[21, 25], catalogue=items, user_ids=['x'])\n"
        "np.save(sys.argv[2], strategy.score(data.batch([0])))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "v", tmp_path / "scores.npy"], check=True)
    asked = Interactions.build(users=[0, 0], items=[21, 25], catalogue=data.catalogue, user_ids=["x"])
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), strategy.score(asked.batch([0])))


def test_too_little_data_or_memory_is_said_before_training() -> None:
    data = walks()
    with pytest.raises(Unfit, match="at least"):
        Sequence(SMALL).fit(data.take(np.zeros(len(data), dtype=bool)))
    with pytest.raises(Unfit, match="GB"):
        Sequence(SMALL).fit(data, budget=Budget(memory=1000))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encoder", "rnn"),
        ("width", 0),
        ("heads", 3),
        ("temperature", 0.0),
        ("learning_rate", float("nan")),
        ("dropout", 1.0),
        ("held_out", -0.1),
        ("purchase_share", 1.5),
        ("weight_decay", -1.0),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidConfig, match=field):
        SequenceConfig(**{field: value})
