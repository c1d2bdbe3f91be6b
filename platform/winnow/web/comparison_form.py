"""What people fill in to compare strategies offline."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recommenders.errors import InvalidData
from recommenders.models import StrategyVersion
from recommenders.registry import places
from winnow.jobs.comparison import MOST_K, Question
from winnow.web.training_form import DATA_CHOICES

FIELDS = {"data": "source"}  # where a rule of the question names a field that is called otherwise here


def choices() -> list[tuple[str, str]]:
    """Every strategy in its default configuration, and the current versions that are configured otherwise."""
    found = [(key, key) for key in places()]
    rows = StrategyVersion.objects.filter(strategy__current__isnull=False).select_related("strategy")
    for row in rows.order_by("strategy__key"):
        if row.pk == row.strategy.current_id and row.manifest:
            label = gettext("%(key)s as configured in %(version)s") % {"key": row.strategy.key, "version": row.version}
            found.append((str(row), label))
    return found


class ComparisonForm(forms.Form):
    """Which strategies, on which data, judged how."""

    strategies = forms.MultipleChoiceField(
        label=_("Strategies"),
        choices=choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one.")},
        help_text=_("Recent popularity, the user's own favourites and item-knn always stand beside them."),
    )
    source = forms.ChoiceField(label=_("Data"), choices=DATA_CHOICES)
    split = forms.CharField(
        label=_("Split"),
        initial="last-days:28",
        help_text=_(
            "last-days:28 hides the last 28 days; a day such as 2026-01-31 hides what came from then on; leave-last-out"
            " hides the last event of each user."
        ),
        widget=forms.TextInput(attrs={"list": "splits", "autocomplete": "off"}),
    )
    k = forms.IntegerField(
        label=_("Length of the lists"), initial=10, min_value=1, max_value=MOST_K, help_text=_("Items that are shown.")
    )
    new_only = forms.BooleanField(
        label=_("New items only"),
        required=False,
        help_text=_("Items that a user had taken are neither recommended nor to be found."),
    )
    seed = forms.IntegerField(label=_("Seed"), initial=0, min_value=0)
    seconds = forms.FloatField(
        label=_("Seconds"), initial=300.0, min_value=1, help_text=_("Each training may take so long at most.")
    )

    def clean(self) -> dict[str, object]:
        """Let the question check itself, so that its own rule stands beside the field that breaks it."""
        cleaned: dict[str, object] = super().clean() or {}
        if not self.errors:
            try:
                self.question()
            except InvalidData as error:
                name = FIELDS.get(error.field, error.field)
                self.add_error(name if name in self.fields else None, str(error))
        return cleaned

    def question(self) -> Question:
        """What is asked. Raises InvalidData."""
        given = self.cleaned_data
        return Question(
            strategies=tuple(given["strategies"]),
            data=given["source"],
            split=given["split"],
            k=given["k"],
            new_only=given["new_only"],
            seed=given["seed"],
            seconds=given["seconds"],
        )
