"""Language keeps the contract, learns by the slope of its loss, and knows new items whose words nobody has seen."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from recommenders import text_encoder
from recommenders.artefacts import load, save
from recommenders.base import Strategy
from recommenders.contracts import BUDGET, Budget, Floats, Interactions, Items, silent
from recommenders.errors import InvalidConfig, MissingExtra, Unfit
from recommenders.ranking import top_k
from recommenders.strategies.content import Content, ContentConfig
from recommenders.strategies.item_knn import ItemKnn
from recommenders.strategies.language import Language, LanguageConfig, centred
from recommenders.strategies.language_tuning import (
    Tuning,
    adamw,
    consecutive,
    held_out,
    loss_and_slope,
    passed,
    tune,
)
from recommenders.strategies.sequence_items import unit, words_of
from recommenders.testing import StrategyContract, tastes

INSTALLED = find_spec(text_encoder.PACKAGE) is not None
needs_encoder = pytest.mark.skipif(not INSTALLED, reason=f"the text encoder is not installed: {text_encoder.INSTALL}")

BRANDS = ("Nordia", "Halvor", "Quillon", "Bexley")
# what is taken in training, and new items of the same kind in other words
KINDS = (
    (("running shoes", "leather boots", "beach sandals"), ("jogging sneakers", "suede moccasins", "slippers")),
    (("green tea", "ground coffee", "cocoa drink"), ("oolong", "cappuccino", "matcha latte")),
    (("desk lamp", "ceiling light", "garden lantern"), ("chandelier", "LED bulb", "torch")),
    (("crime novel", "poetry book", "biography"), ("thriller paperback", "memoir", "anthology of verse")),
    (("two seat sofa", "armchair", "oak bookshelf"), ("couch", "recliner", "wardrobe")),
    (("winter jacket", "raincoat", "wool scarf"), ("parka", "anorak", "mittens")),
    (("mountain bike", "cyclist helmet", "bicycle tyre"), ("handlebar", "pedals", "road velocipede")),
    (("frying pan", "chef knife", "mixing bowl"), ("skillet", "cleaver", "saucepan")),
)


@needs_encoder
class TestLanguage(StrategyContract):
    strategy = Language
    config = LanguageConfig(steps=40)


@needs_encoder
class TestLanguageAsItComes(StrategyContract):
    strategy = Language
    config = LanguageConfig(steps=0, decay=1.0)


class Shop:
    """Users who take items of one kind, some of them new; ``seen`` is what is trained on, without the new ones."""

    def __init__(self, kinds: Sequence[tuple[tuple[str, ...], tuple[str, ...]]] = KINDS, seed: int = 3) -> None:
        rng = np.random.default_rng(seed)
        rows = [
            (f"{brand} {name}", kind, bool(new))
            for kind, words in enumerate(kinds)
            for new in (0, 1)
            for name in words[new]
            for brand in BRANDS
        ]
        self.texts = tuple(text for text, _, _ in rows)
        kind, self.new = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
        taste = rng.integers(len(kinds), size=200)
        liked = np.where(rng.random((200, 12)) < 0.8, taste[:, None], rng.integers(len(kinds), size=(200, 12)))
        each = len(rows) // len(kinds)
        items = liked * each + rng.integers(each, size=liked.shape)
        users = [f"user-{i}" for i in range(200)]
        catalogue = Items(ids=tuple(f"item-{i}" for i in range(len(rows))), texts=self.texts)
        self.kind = kind
        self.whole = Interactions.build(
            users=np.repeat(np.arange(200), 12), items=items.ravel(), catalogue=catalogue, user_ids=users
        )
        self.seen = self.whole.take(~self.new[self.whole.items])

    def recall(self, strategy: Strategy[object], k: int = 10) -> float:
        """Mean share of the new items a user took that are in the first k of all new items."""
        candidates = np.flatnonzero(self.new).astype(np.int32)
        users = np.arange(len(self.whole.user_ids))
        ranked = top_k(strategy.score(replace(self.seen.batch(users), candidates=candidates)), k)
        took = np.zeros((users.size, len(self.texts)), dtype=bool)
        took[self.whole.users, self.whole.items] = True
        wanted = took[:, candidates]
        hits = np.take_along_axis(wanted, np.maximum(ranked.items, 0), axis=1) & (ranked.items >= 0)
        asked = wanted.any(axis=1)
        return float((hits.sum(axis=1)[asked] / wanted.sum(axis=1)[asked]).mean())


def trained(strategy: Strategy[object], data: Interactions) -> Strategy[object]:
    strategy.fit(data, seed=1)
    return strategy


def test_the_words_of_new_items_stand_in_no_item_that_was_taken() -> None:
    old, new = ({word for kind in KINDS for name in kind[side] for word in words_of(name)} for side in (0, 1))
    assert not old & new


@pytest.fixture(scope="module")
def read() -> tuple[Shop, Floats]:
    """A shop, and its texts read once for all tests: reading is what takes the time."""
    shop = Shop()
    return shop, text_encoder.encode(shop.texts)


@pytest.fixture
def shop(read: tuple[Shop, Floats], monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(text_encoder, "encode", lambda _texts, **_: read[1])
    return read[0]


@needs_encoder
def test_new_items_in_other_words_are_found_by_meaning_and_not_by_words(shop: Shop) -> None:
    meaning = shop.recall(trained(Language(), shop.seen))  # type: ignore[arg-type]
    words = shop.recall(trained(Content(ContentConfig(text=1.0)), shop.seen))  # type: ignore[arg-type]
    assert words < 0.2
    assert meaning > 2 * words
    assert shop.recall(trained(ItemKnn(), shop.seen)) == 0  # type: ignore[arg-type]


@needs_encoder
def test_learning_from_behaviour_finds_more_new_items_than_the_encoder_as_it_comes(shop: Shop) -> None:
    plain = shop.recall(trained(Language(LanguageConfig(steps=0)), shop.seen))  # type: ignore[arg-type]
    taught = shop.recall(trained(Language(), shop.seen))  # type: ignore[arg-type]
    assert taught > plain + 0.05


@needs_encoder
def test_a_history_in_english_finds_new_items_in_chinese() -> None:
    chinese = (
        ("运动鞋", "凉鞋"),
        ("乌龙茶", "咖啡"),
        ("台灯", "吊灯"),
        ("小说", "诗集"),
        ("沙发", "扶手椅"),
        ("冬季外套", "围巾"),
    )
    shop = Shop([(KINDS[kind][0], names) for kind, names in enumerate(chinese)])
    plain = trained(Language(LanguageConfig(steps=0)), shop.seen)  # type: ignore[arg-type]
    assert shop.recall(plain, 12) > 2 * 12 / 72


@needs_encoder
def test_vectors_have_length_one_and_do_not_hang_on_the_neighbours() -> None:
    texts = ("green tea", "", "绿茶", "green tea", "a lamp\0for the desk")
    vectors = text_encoder.encode(texts)
    assert vectors.shape == (5, text_encoder.WIDTH)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1, 1, 1], atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[3])
    np.testing.assert_allclose(text_encoder.encode(texts[:1])[0], vectors[0], atol=1e-6)


@needs_encoder
def test_the_encoder_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    text_encoder.load.cache_clear()
    text_encoder.encode(("tea",))
    assert os.environ["OMP_NUM_THREADS"] == "5"


@needs_encoder
def test_another_model_than_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_encoder, "SHA256", "0" * 64)
    with pytest.raises(MissingExtra, match="SHA-256"):
        Language().fit(Shop().seen)


@needs_encoder
def test_texts_that_take_too_long_to_read_are_said() -> None:
    with pytest.raises(Unfit, match="texts were read"):
        Language().fit(Shop().seen, budget=Budget(seconds=0.0))


def test_without_the_encoder_training_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, text_encoder.PACKAGE, None)
    with pytest.raises(MissingExtra, match=r"pip install 'winnow-platform\[text\]'"):
        Language().fit(tastes())


def test_an_encoder_that_does_not_run_here_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> None:
        raise OSError("no such instruction")

    monkeypatch.setattr(text_encoder, "import_module", broken)
    with pytest.raises(MissingExtra, match="no such instruction"):
        text_encoder.load(tmp_path, 1)


def pretend(texts: tuple[str, ...], **_: object) -> Floats:
    """A vector for each text, without an encoder; zeros for an empty one."""
    rows = [np.random.default_rng(list(text.encode())).standard_normal(384) * bool(text) for text in texts]
    return unit(np.array(rows))


def test_a_stored_version_scores_without_the_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_encoder, "encode", pretend)
    data = tastes()
    strategy: Strategy[object] = Language(LanguageConfig(steps=2))  # type: ignore[assignment]
    report = strategy.fit(data)
    save(strategy, tmp_path / "v", data=data, seed=0, report=report, code_version="test")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, text_encoder.PACKAGE, None)
    loaded, _, _ = load(tmp_path / "v")
    batch = data.batch(np.arange(9))
    np.testing.assert_array_equal(loaded.score(batch), strategy.score(batch))
    assert text_encoder.SHA256 in str(report.notes["encoder"])


def test_items_without_a_text_are_left_out_unless_they_sell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_encoder, "encode", pretend)
    catalogue = Items(ids=("a", "b", "c", "d"), texts=("tea", "", "lamp", ""))
    data = Interactions.build(users=[0, 0], items=[0, 1], catalogue=catalogue, user_ids=["x"])
    strategy = Language()
    strategy.fit(data)
    scores = strategy.score(data.batch([0]))[0]
    assert scores[0] == pytest.approx(1, abs=1e-5)
    assert scores[1] == pytest.approx(1e-6, rel=1e-3)
    assert np.isfinite(scores[2])
    assert scores[3] == -np.inf


def test_items_without_any_text_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_encoder, "encode", pretend)
    for catalogue in (Items(ids=("a", "b")), Items(ids=("a", "b"), texts=("", ""))):
        data = Interactions.build(users=[0, 0], items=[0, 1], catalogue=catalogue, user_ids=["x"])
        with pytest.raises(Unfit, match="item_text"):
            Language().fit(data)


def test_vectors_that_do_not_fit_into_memory_are_refused_before_reading() -> None:
    with pytest.raises(Unfit, match="budget is 1,000"):
        Language().fit(tastes(), budget=Budget(memory=1_000))


def test_pairs_are_what_the_same_user_took_next_without_repeats_and_unknown_items() -> None:
    data = Interactions.build(
        users=[0, 0, 0, 0, 1, 1, 1],
        items=[0, 0, 1, 2, 2, 3, 0],
        catalogue=Items(ids=("a", "b", "c", "d")),
        user_ids=["x", "y"],
    )
    known = np.array([True, True, True, False])
    assert consecutive(data, known).tolist() == [[0, 1], [1, 2], [2, 0]]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_the_slope_is_that_of_the_loss_by_finite_differences(rng: np.random.Generator) -> None:
    vectors = unit(rng.standard_normal((9, 4))).astype(np.float64)
    projection = np.eye(4) + 0.3 * rng.standard_normal((4, 4))
    pairs = np.array([[0, 1], [2, 3], [0, 4], [5, 1], [6, 7]], dtype=np.int32)
    _, slope = loss_and_slope(vectors, projection, pairs, 0.5)  # type: ignore[arg-type]
    expected = np.zeros((4, 4))
    for place in np.ndindex(4, 4):
        step = np.zeros((4, 4))
        step[place] = 1e-6
        up, down = (loss_and_slope(vectors, projection + s, pairs, 0.5)[0] for s in (step, -step))  # type: ignore[arg-type]
        expected[place] = (up - down) / 2e-6
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-8)


def test_an_item_that_stands_twice_in_a_batch_is_not_its_own_negative() -> None:
    vectors = np.eye(3, dtype=np.float32)
    pairs = np.array([[0, 2], [1, 2]], dtype=np.int32)
    loss, _ = loss_and_slope(vectors, np.eye(3, dtype=np.float32), pairs, 1.0)
    assert loss == pytest.approx(np.log(2) / 2)  # one way there is no other; the other way both are as far


def test_a_step_is_that_of_adamw_in_pytorch(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch", reason="the extra [deep] is not installed")
    value = np.eye(3) + 0.1 * rng.standard_normal((3, 3))
    other = torch.tensor(value - np.eye(3), requires_grad=True)  # decays to zero, ours to the identity
    optimiser = torch.optim.AdamW([other], lr=0.01, weight_decay=0.1, eps=1e-8)
    moments = (np.zeros((3, 3)), np.zeros((3, 3)))
    for step in range(1, 6):
        slope = rng.standard_normal((3, 3))
        other.grad = torch.tensor(slope)
        optimiser.step()
        value, moments = adamw(value, slope, moments, step, 0.01, 0.1)  # type: ignore[arg-type,assignment]
    np.testing.assert_allclose(value - np.eye(3), other.detach().numpy(), rtol=1e-4, atol=1e-7)


def test_the_share_passed_is_as_counted_by_hand() -> None:
    vectors = unit(np.array([[1, 0], [0.9, 0.1], [0.5, 0.5], [0, 1], [0.5, 0.5]]))
    among = np.array([False, True, True, True, True])
    one = np.eye(2, dtype=np.float32)
    # of the four, one is less like the first item and two, itself and its equal, are as like
    assert passed(vectors, one, np.array([[0, 2]], dtype=np.int32), among) == pytest.approx((1 + 3) / 2 / 4)
    assert passed(vectors, one, np.array([[0, 1]], dtype=np.int32), among) == pytest.approx((3 + 4) / 2 / 4)
    assert np.isnan(passed(vectors, one, np.zeros((0, 2), dtype=np.int32), among))


def test_items_are_held_out_with_those_that_are_alike(rng: np.random.Generator) -> None:
    vectors = unit(np.repeat(rng.standard_normal((50, 12)), 4, axis=0))
    items = np.arange(160, dtype=np.int32)
    held = held_out(vectors, items, rng)
    assert held.sum() == 32
    assert held.reshape(50, 4).sum(axis=1).tolist().count(4) == 8
    assert not held[160:].any()


def behaviour(rng: np.random.Generator) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Vectors of 16 numbers of which people follow only the first four, which are the weakest."""
    kind = np.repeat(np.arange(8), 30)
    centres = rng.standard_normal((8, 4))
    vectors = unit(np.hstack([centres[kind] + 0.3 * rng.standard_normal((240, 4)), 2 * rng.standard_normal((240, 12))]))
    left = rng.integers(240, size=3_000)
    right = kind[left] * 30 + rng.integers(30, size=3_000)
    return vectors, np.stack([left, right], axis=1)[left != right].astype(np.int32)


TUNING = Tuning(steps=120, batch=128, rate=0.01, temperature=0.1, strength=0.1)


def test_training_finds_the_directions_that_people_follow(rng: np.random.Generator) -> None:
    vectors, pairs = behaviour(rng)
    tuned = tune(vectors, pairs, TUNING, rng=np.random.default_rng(1), budget=BUDGET, progress=silent)
    before, after = tuned.order
    assert before < 0.65
    assert after > before + 0.1
    moved = np.linalg.norm(tuned.projection, axis=1)
    assert moved[:4].mean() > 1.5 * moved[4:].mean()


def test_the_same_seed_trains_the_same_and_a_short_budget_stops_after_a_step(rng: np.random.Generator) -> None:
    vectors, pairs = behaviour(rng)
    runs = [
        tune(vectors, pairs, TUNING, rng=np.random.default_rng(1), budget=budget, progress=silent)
        for budget in (BUDGET, BUDGET, Budget(seconds=0.0))
    ]
    np.testing.assert_array_equal(runs[0].projection, runs[1].projection)
    assert runs[2].steps == 1


def test_behaviour_that_follows_no_text_leaves_the_encoder_as_it_is(rng: np.random.Generator) -> None:
    vectors, pairs = behaviour(rng)
    shuffled = np.stack([pairs[:, 0], rng.permutation(pairs[:, 1])], axis=1)
    tuned = tune(vectors, shuffled, TUNING, rng=np.random.default_rng(1), budget=BUDGET, progress=silent)
    assert tuned.order[1] < tuned.order[0] + 0.03
    none = tune(vectors, pairs[:0], TUNING, rng=np.random.default_rng(1), budget=BUDGET, progress=silent)
    np.testing.assert_array_equal(none.projection, np.eye(16))


def test_centring_takes_the_common_direction_away_and_keeps_zeros(rng: np.random.Generator) -> None:
    vectors = unit(rng.standard_normal((50, 8)) + 5)
    vectors[7] = 0
    moved = centred(vectors)
    assert abs((moved @ moved.T).mean()) < 0.05 < (vectors @ vectors.T).mean()
    assert not moved[7].any()
    np.testing.assert_array_equal(centred(vectors[:1]), vectors[:1])


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", -1), ("batch", 1), ("rate", 0.0), ("temperature", float("nan")), ("strength", -1.0), ("decay", 2.0)],
)
def test_a_configuration_that_means_nothing_is_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidConfig, match=field):
        LanguageConfig(**{field: value})  # type: ignore[arg-type]
