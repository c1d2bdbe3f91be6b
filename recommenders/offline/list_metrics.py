"""What lists are like, whatever the user did: how much of the catalogue they show, how known and how alike it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommenders.contracts import UNKNOWN, Codes, Interactions
from recommenders.offline.intervals import ratio_influence

Values = npt.NDArray[np.float64]

LISTS = ("novelty", "popularity", "diversity_category", "diversity_tags", "cold_share", "coverage", "gini")


class Catalogue:
    """What is known of the items from the training data: how many users took each, category, tags."""

    def __init__(self, train: Interactions) -> None:
        size = len(train.catalogue)
        pairs = np.unique(train.users.astype(np.int64) * size + train.items)
        self.takers = np.bincount(pairs % size, minlength=size) if size else np.zeros(0, dtype=np.int64)
        self.cold = self.takers == 0
        active = max(np.unique(train.users).size, 1)
        self.information = -np.log2(np.maximum(self.takers, 1) / active)
        ordered = np.sort(self.takers)
        lower, upper = (np.searchsorted(ordered, self.takers, side=side) for side in ("left", "right"))
        self.percentile = (lower + upper) / (2 * max(size, 1))
        self.categories = train.catalogue.categories
        self.tags = None if train.catalogue.tags is None else _tag_matrix(train.catalogue.tags)

    def describe(self, items: Codes) -> Mapping[str, Values]:
        """The figures of each list.

        novelty = mean of −log2(share of the users that took it), an item that nobody took counting as taken by one;
        popularity = mean percentile of popularity, 0 to 1, equal items in the middle of their range; diversity = mean
        over pairs of 1 where categories differ, or of 1 − |tags in common| / |tags of either|; cold_share = share of
        items that nobody took. nan for an empty list, and for diversity where no pair has the feature.

        Args:
            items: lists, shape (users, k), -1 where a list has ended.

        Source: novelty: T. Zhou et al. (2010), Solving the apparent diversity-accuracy dilemma, PNAS 107.
        """
        shown = items != UNKNOWN
        found = {
            "novelty": _mean(self.information[items], shown),
            "popularity": _mean(self.percentile[items], shown),
            "cold_share": _mean(self.cold[items].astype(np.float64), shown),
        }
        if self.categories is not None:
            found["diversity_category"] = self._by_category(items, shown, self.categories)
        if self.tags is not None:
            found["diversity_tags"] = self._by_tags(items, shown, self.tags)
        return found

    def _by_category(self, items: Codes, shown: npt.NDArray[np.bool_], categories: Codes) -> Values:
        category = categories[items]
        known = shown & (category != UNKNOWN)
        total, pairs = np.zeros(len(items)), np.zeros(len(items))
        for apart in range(1, items.shape[1]):
            both = known[:, :-apart] & known[:, apart:]
            pairs += both.sum(axis=1)
            total += (both & (category[:, :-apart] != category[:, apart:])).sum(axis=1)
        return _share(total, pairs)

    def _by_tags(self, items: Codes, shown: npt.NDArray[np.bool_], tags: sparse.csr_array) -> Values:
        sizes = np.diff(tags.indptr)[items]
        known = shown & (sizes > 0)
        total, pairs = np.zeros(len(items)), np.zeros(len(items))
        for apart in range(1, items.shape[1]):
            one, other = items[:, :-apart], items[:, apart:]
            both = known[:, :-apart] & known[:, apart:]
            common = np.asarray(tags[one.ravel()].multiply(tags[other.ravel()]).sum(axis=1)).reshape(one.shape)
            either = np.maximum(sizes[:, :-apart] + sizes[:, apart:] - common, 1)
            pairs += both.sum(axis=1)
            total += np.where(both, 1 - common / either, 0.0).sum(axis=1)
        return _share(total, pairs)


def coverage(items: Codes, size: int) -> Values:
    """The share of the catalogue that is in any list, as values whose mean is the share and whose spread is its own.

    Without a user's list the share falls by u / size, u being the items that no other list shows; the spread is that of
    the jackknife, value_u = share + (n − 1)(u − mean(u)) / size, on average never too small.

    Args:
        items: lists, shape (users, k), -1 where a list has ended.
        size: of the catalogue.

    Source: B. Efron, C. Stein (1981), The jackknife estimate of variance, The Annals of Statistics 9.

    >>> coverage(np.array([[0, 1], [0, 2]], dtype=np.int32), 4).tolist()
    [0.75, 0.75]
    """
    shown = items != UNKNOWN
    counts = np.bincount(items[shown], minlength=size)
    alone = (shown & (counts[items] == 1)).sum(axis=1)
    share = (counts > 0).sum() / max(size, 1)
    values: Values = share + (len(items) - 1) * (alone - alone.mean()) / max(size, 1)
    return values


def gini(items: Codes, size: int) -> Values:
    """How unequally items are shown, 0 (all alike) to 1 (one has all), as values whose mean over users is the figure.

    G = Σ_i (2 r_i − m − 1) x_i / (m Σ x) with x_i the lists that show item i, r_i its rank in ascending order, and m
    items. With the ranks held, G is a ratio of sums over users, and is linearised as one.

    Args:
        items: lists, shape (users, k), -1 where a list has ended.
        size: m, the catalogue.

    >>> round(float(gini(np.array([[0], [0], [1]], dtype=np.int32), 2).mean()), 4)
    0.1667
    """
    shown = items != UNKNOWN
    counts = np.bincount(items[shown], minlength=size)
    ordered = np.sort(counts)
    # equal items share the middle rank
    rank = (np.searchsorted(ordered, counts, side="left") + np.searchsorted(ordered, counts, side="right") + 1) / 2
    weight = (2 * rank - size - 1) / max(size, 1)
    return ratio_influence(np.where(shown, weight[items], 0.0).sum(axis=1), shown.sum(axis=1).astype(np.float64))


def _mean(values: Values, shown: npt.NDArray[np.bool_]) -> Values:
    count = shown.sum(axis=1)
    total = np.where(shown, values, 0.0).sum(axis=1)
    return _share(total, count)


def _share(total: Values, count: Values | npt.NDArray[np.int64]) -> Values:
    shares: Values = np.divide(total, count, out=np.full(total.size, np.nan), where=count > 0)
    return shares


def _tag_matrix(tags: tuple[tuple[str, ...], ...]) -> sparse.csr_array:
    names: dict[str, int] = {}
    rows, columns = [], []
    for item, own in enumerate(tags):
        for tag in dict.fromkeys(own):
            rows.append(item)
            columns.append(names.setdefault(tag, len(names)))
    ones = np.ones(len(rows), dtype=np.int32)
    return sparse.csr_array((ones, (rows, columns)), shape=(len(tags), max(len(names), 1)))
