"""Items as vectors of what is said of them: tags, category, price band, words, and vectors of a text encoder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import sparse

from recommenders.contracts import Codes, Floats
from recommenders.strategies.sequence_items import words_of

IN_HOW_MANY_ITEMS = 2  # what a single item has says nothing about another
NEXT_BAND = 0.5


def word_block(texts: Sequence[str], vocabulary: int) -> sparse.csr_array:
    """TF-IDF of the words of each text, over the ``vocabulary`` most widespread words.

    >>> word_block(["green tea", "black tea", "green lamp"], vocabulary=2).toarray().astype(float).round(2).tolist()
    [[0.71, 0.71], [0.0, 1.0], [1.0, 0.0]]
    """
    return tf_idf((Counter(words_of(text)) for text in texts), vocabulary)


def tag_block(tags: Sequence[Sequence[str]], vocabulary: int) -> sparse.csr_array:
    """The same of tags, which are taken whole and once each."""
    return tf_idf((Counter(set(own)) for own in tags), vocabulary)


def tf_idf(counted: Iterable[Counter[str]], most: int) -> sparse.csr_array:
    """(1 + ln tf) · ln((1 + n) / df), rows of length 1, columns in alphabetical order.

    Words of a single item are left out, and where there are more than ``most`` words, those of the fewest items.

    Source: G. Salton, C. Buckley (1988), Term-weighting approaches in automatic text retrieval, IP&M 24.
    """
    documents = tuple(counted)
    spread = Counter(word for count in documents for word in count)
    shared = sorted((word for word, n in spread.items() if n >= IN_HOW_MANY_ITEMS), key=lambda w: (-spread[w], w))
    column = {word: i for i, word in enumerate(sorted(shared[:most]))}
    entries = [
        (row, column[word], (1 + np.log(times)) * np.log((1 + len(documents)) / spread[word]))
        for row, count in enumerate(documents)
        for word, times in count.items()
        if word in column
    ]
    rows, columns, weights = zip(*entries, strict=True) if entries else ((), (), ())
    matrix = sparse.csr_array(
        (np.array(weights, dtype=np.float32), (np.array(rows, dtype=np.int32), np.array(columns, dtype=np.int32))),
        shape=(len(documents), len(column)),
    )
    return unit_rows(matrix)


def category_block(categories: Codes, count: int) -> sparse.csr_array:
    """1 in the column of the item's category; nothing where it has none."""
    known = np.flatnonzero(categories >= 0)
    width = max(count, int(categories.max(initial=-1)) + 1)
    ones = np.ones(known.size, dtype=np.float32)
    return sparse.csr_array((ones, (known, categories[known])), shape=(categories.size, width))


def price_block(prices: Floats, bands: int) -> sparse.csr_array:
    """Bands that hold as many items each; the bands beside an item's own count half, so near prices are alike.

    Inner bands: 1 with itself, ⅔ with the next, ⅙ with the one after. Prices that are not known give nothing.
    """
    known = np.flatnonzero(np.isfinite(prices))
    if not known.size:
        return sparse.csr_array((prices.size, bands), dtype=np.float32)
    edges = np.unique(np.quantile(prices[known], np.arange(1, bands) / bands))
    band = np.searchsorted(edges, prices[known], side="right")
    rows = np.concatenate([known, known, known])
    columns = np.concatenate([band, band - 1, band + 1])
    weights = np.repeat(np.array([1, NEXT_BAND, NEXT_BAND], dtype=np.float32), known.size)
    there = (columns >= 0) & (columns < bands)
    return unit_rows(
        sparse.csr_array((weights[there], (rows[there], columns[there])), shape=(prices.size, bands), dtype=np.float32)
    )


def lengths_of(matrix: sparse.csr_array) -> Floats:
    """The length of each row."""
    return np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1), dtype=np.float32))


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Rows of length 1; rows of zeros stay."""
    return scaled(matrix, lengths_of(matrix))


def scaled(matrix: sparse.csr_array, lengths: Floats) -> sparse.csr_array:
    """Each row divided by its length, where that is above 0."""
    inverse = 1 / np.where(lengths > 0, lengths, np.float32(1))
    return sparse.csr_array(sparse.diags_array(inverse.astype(np.float32)) @ matrix, dtype=np.float32)
