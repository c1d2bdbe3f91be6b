"""Names and descriptions of the strategies that come with Winnow, marked for translation; and what data is called."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

BUILTIN = (
    gettext_noop("Random"),
    gettext_noop("Every item has the same chance. What any strategy must beat."),
    gettext_noop("Recent popularity"),
    gettext_noop("What most users took lately, the same for everybody."),
    gettext_noop("The user's own favourites"),
    gettext_noop("What this user took most often, lately; then what most users took."),
    gettext_noop("Users like you"),
    gettext_noop("What users with a similar history took, or how they rated it."),
    gettext_noop("Items like yours"),
    gettext_noop("What users who took the same items also took; recent history counts more."),
    gettext_noop("Items that predict each other (EASE)"),
    gettext_noop("Each item predicted from all others by one linear model; for catalogues of up to 20,000 items."),
    gettext_noop("Your interests"),
    gettext_noop("Items whose tags, category, price and words are like those in the history; new items too."),
    gettext_noop("Behaviour sequence"),
    gettext_noop("Reads a user's last events in order with a GRU, an LSTM or a causal Transformer."),
    gettext_noop("What texts mean"),
    gettext_noop("A language model reads the items' texts and learns from what was taken together; new items too."),
    gettext_noop("Model of another environment"),
    gettext_noop("A model whose libraries conflict with ours, in a process and environment of its own."),
    gettext_noop("Ordered by a language model"),
    gettext_noop(
        "A language model behind an OpenAI-compatible address re-orders another strategy's best and says why."
    ),
    gettext_noop("Blend of strategies"),
    gettext_noop("A weighted blend of other strategies; weights are fitted on events held back from them."),
)

DATA: dict[str, Promise] = {
    "lake": _("This platform's events"),
    "complete-journey": _("Complete Journey: a year of a grocer's sales"),
    "complete-journey-campaigns": _("Complete Journey: which campaigns reached whom"),
}


def data_name(data: str) -> str:
    """What people call this data; ``lake@7`` is the lake at its version 7."""
    source, _at, version = data.partition("@")
    named = str(DATA.get(source, source))
    return (
        gettext("%(data)s, version %(version)s of the lake") % {"data": named, "version": version} if version else named
    )
