"""Which strategies there are: ours by one line each, others by an entry point of the group ``winnow.strategies``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from recommenders.base import Strategy
from recommenders.errors import MissingExtra, UnknownStrategy

GROUP = "winnow.strategies"

# key → where its class is; imported when it is asked for, so that nobody pays for a library that is not used
BUILTIN: Mapping[str, str] = {
    "random": "recommenders.strategies.baselines:Random",
    "recent-popularity": "recommenders.strategies.baselines:RecentPopularity",
    "user-frequency": "recommenders.strategies.baselines:UserFrequency",
    "user-knn": "recommenders.strategies.user_knn:UserKnn",
    "item-knn": "recommenders.strategies.item_knn:ItemKnn",
    "ease": "recommenders.strategies.ease:Ease",
    "content": "recommenders.strategies.content:Content",
    "sequence": "recommenders.strategies.sequence:Sequence",
    "language": "recommenders.strategies.language:Language",
    "hybrid": "recommenders.strategies.hybrid:Hybrid",
    "remote": "recommenders.strategies.remote:Remote",
    "llm-rerank": "recommenders.strategies.llm_rerank:LlmRerank",
}


@cache
def places() -> Mapping[str, str]:
    """Key → where its class is, of every strategy that is installed. A package cannot replace one of ours."""
    installed = {point.name: point.value for point in entry_points(group=GROUP)}
    return installed | dict(BUILTIN)


def strategy_class(key: str) -> type[Strategy[object]]:
    """The class of a strategy.

    Raises:
        UnknownStrategy: no strategy has this key.
        MissingExtra: it needs packages that are not installed.
    """
    if key not in places():
        raise UnknownStrategy(f"there is no strategy {key!r}; there are {', '.join(sorted(places()))}")
    module, _, name = places()[key].partition(":")
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise MissingExtra(f"{key} needs the package {error.name}, which is not installed") from error
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise UnknownStrategy(f"{places()[key]} is no strategy")
    return found
