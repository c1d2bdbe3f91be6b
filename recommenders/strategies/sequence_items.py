"""What a sequence model knows of items before it trains: vectors of their features, and of who took them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommenders.contracts import Floats, Interactions, Items

WORDS = re.compile(r"[^\W_]+")
IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
IN_HOW_MANY_ITEMS = 2  # a word of a single item says nothing about another
OVERSAMPLING, POWER_STEPS = 16, 4
PENALTY, RIDGE_STEPS = 1.0, 60  # of the regression of vectors on words


def words_of(text: str) -> list[str]:
    """The words of a text in lower case. Chinese and Japanese have no spaces: their pairs of characters.

    >>> words_of("Green tea, 绿茶叶")
    ['green', 'tea', '绿茶', '茶叶']
    """
    found: list[str] = []
    for word in WORDS.findall(text.lower()):
        if len(word) > 1 and IDEOGRAPHS.search(word):
            found += [word[i : i + 2] for i in range(len(word) - 1)]
        else:
            found.append(word)
    return found


def documents(items: Items) -> tuple[Counter[str], ...] | None:
    """All that is said of each item: words of the text, tags and category. None where nothing is given."""
    if items.texts is None and items.tags is None and items.categories is None:
        return None
    counted = [Counter(words_of(text)) for text in items.texts or ("",) * len(items)]
    for count, tags in zip(counted, items.tags or (), strict=False):
        count.update(f"tag {tag}" for tag in tags)
    if items.categories is not None:
        for count, category in zip(counted, items.categories.tolist(), strict=True):
            if category >= 0:
                count[f"category {category}"] += 1
    return tuple(counted)


def tf_idf(counted: tuple[Counter[str], ...]) -> sparse.csr_array:
    """(1 + ln tf) · ln((1 + n) / (1 + df)), rows of length 1; words of one item only are left out.

    >>> tf_idf((Counter("ab"), Counter("ab"), Counter("ac"))).toarray().round(2).tolist()
    [[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    spread = Counter(word for count in counted for word in count)
    vocabulary = {word: i for i, word in enumerate(sorted(w for w, n in spread.items() if n >= IN_HOW_MANY_ITEMS))}
    n = len(counted)
    rows, columns, weights = [], [], []
    for row, count in enumerate(counted):
        for word, times in count.items():
            if word in vocabulary:
                rows.append(row)
                columns.append(vocabulary[word])
                weights.append((1 + math.log(times)) * math.log((1 + n) / (1 + spread[word])))
    values = np.array(weights, dtype=np.float32)
    matrix = sparse.csr_array((values, (rows, columns)), shape=(n, len(vocabulary)))
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    return sparse.csr_array(sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ matrix)


def text_vectors(items: Items, width: int, rng: np.random.Generator) -> Floats | None:
    """What is said of the items: TF-IDF, then its ``width`` leading directions."""
    counted = documents(items)
    if counted is None:
        return None
    left, strength, _ = leading(tf_idf(counted), width, rng)
    return unit(left * strength)


def told_vectors(data: Interactions, start: Floats) -> Floats | None:
    """What the words of an item tell of where its ``start`` vector lies, by ridge regression on the items taken.

    Shape (items, width). Items count by the logarithm of how often they were taken; no words, no vector.
    """
    counted = documents(data.catalogue)
    if counted is None:
        return None
    words, taken = tf_idf(counted), np.bincount(data.items, minlength=len(data.catalogue))
    seen = np.flatnonzero(taken)
    weights = np.sqrt(np.log1p(taken[seen])).astype(np.float32)
    rows = sparse.csr_array(sparse.diags_array(weights) @ words[seen])
    return unit(words @ ridge(rows, start[seen] * weights[:, None]))


def ridge(x: sparse.csr_array, y: Floats) -> Floats:
    """argmin ‖X B − Y‖² + penalty · ‖B‖² by conjugate gradients, one run for each column of Y, all at once.

    Source: M. Hestenes, E. Stiefel (1952), Methods of conjugate gradients for solving linear systems, §3.
    """
    left: Floats = np.asarray(x.T @ y, dtype=np.float32)
    found, way, size = np.zeros_like(left), left.copy(), np.square(left).sum(axis=0)
    for _ in range(RIDGE_STEPS):
        bent = x.T @ (x @ way) + np.float32(PENALTY) * way
        far = size / np.maximum((way * bent).sum(axis=0), np.float32(1e-20))
        found += far * way
        left -= far * bent
        before, size = size, np.square(left).sum(axis=0)
        way = left + size / np.maximum(before, np.float32(1e-20)) * way
    return found


def dense_vectors(items: Items, _width: int, _rng: np.random.Generator) -> Floats | None:
    """Vectors that came with the items, as of a text encoder: the feature ``vectors`` where items have one."""
    given = getattr(items, "vectors", None)
    return None if given is None else unit(np.asarray(given, dtype=np.float32))


FEATURES: tuple[Callable[[Items, int, np.random.Generator], Floats | None], ...] = (text_vectors, dense_vectors)


def start_vectors(data: Interactions, width: int, rng: np.random.Generator) -> Floats:
    """Items taken by the same users lie close: leading right vectors of D_u^-½ X D_i^-½, times √strength, length 1.

    Shape (items, width). Items that nobody took, or in no leading direction, get a random direction.
    """
    users, items = len(data.user_ids), len(data.catalogue)
    pairs = np.unique(data.users.astype(np.int64) * items + data.items)
    who, what = np.divmod(pairs, items)
    weights = (np.bincount(who, minlength=users)[who] * np.bincount(what, minlength=items)[what]) ** -0.5
    matrix = sparse.csr_array((weights.astype(np.float32), (who, what)), shape=(users, items))
    _, strength, right = leading(matrix, width, rng)
    found = right.T * np.sqrt(strength)
    chance = rng.standard_normal(found.shape, dtype=np.float32)
    nowhere = np.linalg.norm(found, axis=1) < 1e-6
    return unit(np.where(nowhere[:, None], chance, found))


def leading(matrix: sparse.csr_array, width: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """The ``width`` leading singular vectors and values, by random projection and power iteration; 0 beyond the rank.

    Source: N. Halko, P. G. Martinsson, J. A. Tropp (2011), Finding structure with randomness, algorithms 4.4 and 5.1.
    """
    rows, columns = matrix.shape
    sample = min(width + OVERSAMPLING, rows, columns)
    left = np.zeros((rows, width), dtype=np.float32)
    strength = np.zeros(width, dtype=np.float32)
    right = np.zeros((width, columns), dtype=np.float32)
    if sample == 0 or matrix.nnz == 0:
        return left, strength, right
    basis = np.linalg.qr(matrix @ rng.standard_normal((columns, sample), dtype=np.float32))[0]
    for _ in range(POWER_STEPS):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    small, found, directions = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    count = min(width, sample)
    strength[:count] = found[:count]
    left[:, :count] = (basis @ small)[:, :count]
    right[:count] = directions[:count]
    # the sign of a direction is free: make its largest entry positive, so that it does not hang on the library
    signs = np.sign(right[np.arange(width), np.abs(right).argmax(axis=1)])
    return left * np.where(signs == 0, 1, signs), strength, right * np.where(signs == 0, 1, signs)[:, None]


def unit(vectors: npt.NDArray[np.floating]) -> Floats:
    """Rows of length 1; rows of zeros stay."""
    plain = vectors.astype(np.float32)
    lengths = np.linalg.norm(plain, axis=1, keepdims=True)
    return np.asarray(plain / np.where(lengths > 0, lengths, 1), dtype=np.float32)
