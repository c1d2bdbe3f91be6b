"""Content keeps the contract, computes what its formula says, and recommends items that nobody took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse

from recommenders.artefacts import load, save
from recommenders.base import Strategy
from recommenders.contracts import Batch, Budget, Interactions, Items
from recommenders.errors import InvalidConfig, InvalidData, Unfit
from recommenders.ranking import top_k
from recommenders.strategies.baselines import Random
from recommenders.strategies.content import Content, ContentConfig
from recommenders.strategies.content_features import category_block, price_block, tag_block, tf_idf, word_block
from recommenders.strategies.item_knn import ItemKnn
from recommenders.testing import StrategyContract, tastes


class TestContent(StrategyContract):
    strategy = Content


class TestContentByCategoryAndPriceAlone(StrategyContract):
    strategy = Content
    config = ContentConfig(text=0.0, tags=0.0, decay=1.0, price_bands=4)


def shop(**features: object) -> Interactions:
    """x took a then b, y took b; nobody took c or d."""
    catalogue = Items(ids=("a", "b", "c", "d"), **features)  # type: ignore[arg-type]
    return Interactions.build(users=[0, 0, 1], items=[0, 1, 1], catalogue=catalogue, user_ids=["x", "y"])


def fitted(data: Interactions, **settings: float) -> Content:
    strategy = Content(ContentConfig(**settings))  # type: ignore[arg-type]
    strategy.fit(data)
    return strategy


TEXTS = ("green tea", "black tea", "green lamp", "lamp")


def without(data: Interactions, cold: npt.NDArray[np.bool_]) -> Interactions:
    """The same users and items, but nobody took the cold ones."""
    return data.take(~cold[data.items])


def recall(strategy: Strategy[object], seen: Interactions, whole: Interactions, k: int = 10) -> float:
    """Mean share of the items a user took, but not in ``seen``, that are in the first k; seen ones are left out."""
    users = np.arange(len(whole.user_ids))
    known, took = (np.zeros((users.size, len(whole.catalogue)), dtype=bool) for _ in range(2))
    known[seen.users, seen.items] = took[whole.users, whole.items] = True
    ranked = top_k(strategy.score(seen.batch(users)), k, excluded=np.nonzero(known))
    chosen = np.zeros_like(took)
    np.put_along_axis(chosen, np.maximum(ranked.items, 0), ranked.items >= 0, axis=1)
    wanted = took & ~known
    asked = wanted.any(axis=1)
    return float(((chosen & wanted).sum(axis=1)[asked] / wanted.sum(axis=1)[asked]).mean())


def test_items_that_nobody_took_are_found_where_item_knn_finds_none() -> None:
    whole = tastes()
    cold = np.isin(np.arange(len(whole.catalogue)) % 10, (1, 4))
    seen = without(whole, cold)
    figures = {}
    for strategy in (Content(), ItemKnn(), Random()):
        strategy.fit(seen)
        figures[strategy.key] = recall(strategy, seen, whole)  # type: ignore[arg-type]
    assert figures["content"] > 0.8
    assert figures["item-knn"] == 0
    assert 0.1 < figures["random"] < 0.3


def test_a_word_weighs_more_the_fewer_items_have_it() -> None:
    block = word_block(["tea tea green", "tea black", "lamp black", "lamp green", "lamp"], 10).toarray()
    tea, green = (1 + np.log(2)) * np.log(6 / 2), np.log(6 / 2)
    np.testing.assert_allclose(block[0], np.array([0, green, 0, tea]) / np.hypot(tea, green), rtol=1e-6)
    np.testing.assert_allclose(block[3, 1] / block[3, 2], np.log(6 / 2) / np.log(6 / 3), rtol=1e-6)


def test_words_of_one_item_are_left_out_and_the_vocabulary_keeps_the_most_widespread() -> None:
    texts = ["tea green", "tea green", "tea lamp", "lamp lamp", "unique"]
    assert word_block(texts, 100).shape == (5, 3)
    kept = word_block(texts, 1)
    assert kept.toarray().tolist() == [[1.0], [1.0], [1.0], [0.0], [0.0]]
    assert tf_idf((), 5).shape == (0, 0)


def test_chinese_texts_are_alike_by_their_pairs_of_characters() -> None:
    block = word_block(["杭州绿茶", "安徽绿茶", "台灯", "落地台灯"], 100)
    alike = (block @ block.T).toarray()
    assert alike[0, 1] == pytest.approx(1, abs=1e-6)
    assert alike[0, 2] == 0


def test_tags_are_whole_words_however_they_are_written() -> None:
    block = tag_block([("new in", "tea"), ("new in", "new in"), ("tea",), ("in",)], 100)
    assert block.shape == (4, 2)
    assert block.toarray()[1].tolist() == [1.0, 0.0]


def test_price_bands_hold_as_many_items_each_and_near_ones_are_alike() -> None:
    prices = np.arange(1, 81, dtype=np.float32)
    block = price_block(prices, 8)
    alike = (block @ block.T).toarray()
    np.testing.assert_allclose(alike[35, [35, 45, 55, 65]], [1, 2 / 3, 1 / 6, 0], atol=1e-6)
    assert block.argmax(axis=1).tolist() == np.repeat(np.arange(8), 10).tolist()


def test_prices_and_categories_that_are_not_known_say_nothing() -> None:
    nowhere = price_block(np.array([np.nan, np.nan], dtype=np.float32), 4)
    assert (nowhere.shape, nowhere.nnz) == ((2, 4), 0)
    equal = price_block(np.array([5, 5, np.nan], dtype=np.float32), 4)
    assert (equal @ equal.T).toarray().round(5).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    categories = category_block(np.array([1, -1, 0], dtype=np.int32), 2)
    assert categories.toarray().tolist() == [[0, 1], [0, 0], [1, 0]]


def test_scores_are_the_cosine_of_the_profile_by_hand() -> None:
    data = shop(texts=TEXTS, categories=np.array([0, 0, 1, 1], dtype=np.int32), category_names=("tea", "light"))
    strategy = fitted(data, text=1.0, category=3.0, decay=0.5)
    words, kinds = word_block(TEXTS, 100).toarray(), np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    vectors = np.hstack([words, np.sqrt(3) * kinds]) / 2
    profile = 0.5 * vectors[0] + vectors[1]
    expected = vectors @ profile / np.linalg.norm(profile)
    np.testing.assert_allclose(strategy.score(data.batch([0]))[0], expected, atol=2e-6)


def test_a_click_of_a_second_ago_counts_most() -> None:
    data = shop(texts=TEXTS)
    strategy = fitted(data)
    batch = data.batch([1])
    clicked = replace(
        batch,
        items=np.append(batch.items, 3).astype(np.int32),
        times=np.append(batch.times, 99),
        kinds=np.append(batch.kinds, 1).astype(np.int8),
        values=np.append(batch.values, 1).astype(np.float32),
        offsets=np.array([0, 2]),
    )
    before, after = strategy.score(batch)[0], strategy.score(clicked)[0]
    assert before[0] > before[2]
    assert after[2] > after[0]


@pytest.mark.parametrize("feature", ["texts", "categories", "prices", "tags"])
def test_one_feature_is_enough(feature: str) -> None:
    whole = tastes()
    catalogue = replace(Items(ids=whole.catalogue.ids), **{feature: getattr(whole.catalogue, feature)})
    data = replace(whole, catalogue=catalogue)
    strategy = fitted(data)
    liked = strategy.score(data.batch(np.arange(40)))
    assert np.isfinite(liked).all()
    assert liked.std(axis=1).min() > 0.01


def test_an_unknown_item_is_left_out_and_an_item_that_sells_is_not() -> None:
    strategy = fitted(shop(texts=("", "black tea", "green tea", "")))
    scores = strategy.score(shop(texts=("", "", "", "")).batch([1]))[0]
    assert scores[0] == pytest.approx(0.5e-6)
    assert scores[2] == pytest.approx(1)
    assert scores[3] == -np.inf


def test_an_empty_history_gets_what_sells_most() -> None:
    data = shop(texts=TEXTS)
    nobody = replace(data.batch([]), users=np.array([-1], dtype=np.int32), offsets=np.zeros(2, dtype=np.int64))
    scores = fitted(data).score(replace(nobody, now=np.array([9])))[0]
    assert np.argsort(-scores)[:2].tolist() == [1, 0]
    assert scores.max() == pytest.approx(1e-6)


def test_embeddings_of_the_items_count_beside_the_words_and_are_stored(tmp_path: Path) -> None:
    data = shop(texts=TEXTS)
    near = np.array([[1, 0], [0, 2], [1, 0], [0, 1]], dtype=np.float32)
    strategy = Content(ContentConfig(text=0.0), embeddings=near)
    report = strategy.fit(data)
    np.testing.assert_allclose(strategy.score(data.batch([1]))[0], [0, 1, 0, 1], atol=2e-6)
    save(strategy, tmp_path / "v", data=data, seed=0, report=report, code_version="test")  # type: ignore[arg-type]
    loaded, _, _ = load(tmp_path / "v")
    np.testing.assert_array_equal(loaded.score(data.batch([1])), strategy.score(data.batch([1])))
    both = Content(ContentConfig(text=1.0, embedding=1.0), embeddings=near)
    both.fit(data)
    words = word_block(TEXTS, 100).toarray()
    np.testing.assert_allclose(both.score(data.batch([1]))[0, 2], words[1] @ words[2] / 2, atol=2e-6)
    assert both.score(data.batch([1]))[0, 3] == pytest.approx(0.5, abs=2e-6)


@pytest.mark.parametrize("wrong", [np.zeros((3, 2)), np.zeros(4), np.full((4, 2), np.nan)])
def test_embeddings_that_fit_no_item_are_refused(wrong: npt.NDArray[np.float64]) -> None:
    with pytest.raises(InvalidData, match="embeddings"):
        Content(embeddings=wrong.astype(np.float32)).fit(shop(texts=TEXTS))


def test_items_without_any_feature_are_refused_with_what_is_missing() -> None:
    with pytest.raises(Unfit, match=r"texts, categories, prices or tags.*have no features"):
        Content().fit(shop())
    with pytest.raises(Unfit, match="the items have item_text"):
        Content(ContentConfig(text=0.0)).fit(shop(texts=TEXTS))


def test_a_budget_that_is_too_small_is_said() -> None:
    with pytest.raises(Unfit, match="budget is 10"):
        Content().fit(shop(texts=TEXTS), budget=Budget(memory=10))


def test_rows_in_blocks_are_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tastes()
    strategy = fitted(data)
    batch: Batch = data.batch(np.arange(50))
    whole = strategy.score(batch)
    monkeypatch.setattr("recommenders.strategies.content.ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(strategy.score(batch), whole, rtol=1e-5, atol=1e-6)


def test_vectors_have_length_one() -> None:
    strategy = fitted(tastes())
    assert isinstance(strategy.plain, sparse.csr_array)
    np.testing.assert_allclose(strategy.plain.multiply(strategy.plain).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("field", "value"),
    [("text", -1.0), ("price", float("nan")), ("decay", 0.0), ("price_bands", 0), ("vocabulary", 0)],
)
def test_a_configuration_that_means_nothing_is_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidConfig, match=field):
        ContentConfig(**{field: value})  # type: ignore[arg-type]


def test_all_weights_at_zero_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="one of"):
        ContentConfig(text=0.0, category=0.0, price=0.0, tags=0.0, embedding=0.0)
