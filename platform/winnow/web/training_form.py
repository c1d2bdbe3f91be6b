"""What people fill in to train a strategy: the data, and each field of its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from django import forms
from django.utils.translation import gettext_lazy as _

from recommenders.base import config_from
from recommenders.configuration import Entry, Setting, settings_of
from recommenders.contracts import BUDGET, Budget
from recommenders.errors import InvalidConfig
from winnow.catalog.interactions import NAMED
from winnow.jobs.training import MOST_SECONDS, MOST_SEED
from winnow.web.strategy_words import DATA

PREFIX = "config-"  # so that a field of a configuration may be called data or seed
DATA_CHOICES = [(name, DATA.get(name, name)) for name in NAMED]
ENTRIES: Mapping[Entry, type[forms.Field]] = {
    Entry.INTEGER: forms.IntegerField,
    Entry.NUMBER: forms.FloatField,
    Entry.SWITCH: forms.BooleanField,
    Entry.TEXT: forms.CharField,
    Entry.JSON: forms.JSONField,
}


class TrainingForm(forms.Form):
    """The data, the configuration, and what training may use."""

    source = forms.ChoiceField(label=_("Learn from"), choices=DATA_CHOICES)
    seed = forms.IntegerField(
        label=_("Seed"),
        initial=0,
        min_value=0,
        max_value=MOST_SEED,
        help_text=_("The same data, configuration and seed give the same version."),
    )
    seconds = forms.FloatField(
        label=_("Seconds"),
        initial=BUDGET.seconds,
        min_value=1,
        max_value=MOST_SECONDS,
        help_text=_("Training may take so long at most."),
    )
    current = forms.BooleanField(
        label=_("Make it the current version"),
        required=False,
        help_text=_("It then serves wherever no version is named. The first version always does."),
    )

    def __init__(self, config: type, data: Mapping[str, object] | None = None) -> None:
        super().__init__(data)
        self.config = config
        self.settings = settings_of(config)
        for one in self.settings:
            self.fields[PREFIX + one.name] = _field(one)

    def clean(self) -> dict[str, object]:
        """Let the configuration check itself, so that its own rule stands beside the field that breaks it."""
        cleaned: dict[str, object] = super().clean() or {}
        if not self.errors:
            try:
                config_from(self.config, self.values())
            except InvalidConfig as error:
                name = PREFIX + error.field
                self.add_error(name if name in self.fields else None, str(error))
        return cleaned

    def values(self) -> dict[str, object]:
        """The configuration by field."""
        given = {one.name: self.cleaned_data[PREFIX + one.name] for one in self.settings}
        return {
            one.name: given[one.name]
            for one in self.settings
            if one.optional or given[one.name] is not None  # empty JSON leaves the default
        }

    def budget(self) -> Budget:
        """What training may use."""
        return Budget(seconds=self.cleaned_data["seconds"])

    @property
    def configuration(self) -> list[Configured]:
        """The fields of the configuration as the page shows them."""
        return [Configured(setting=one, field=self[PREFIX + one.name]) for one in self.settings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A field of the configuration and its place in the form."""

    setting: Setting
    field: forms.BoundField

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return self.setting.entry is Entry.SWITCH

    @property
    def shown(self) -> str:
        """The default, as people would write it."""
        return "" if self.setting.default is None else json.dumps(self.setting.default, ensure_ascii=False).strip('"')


def _field(one: Setting) -> forms.Field:
    """A field that may be empty where None is allowed, or where that means the default."""
    kind = ENTRIES[one.entry]
    field = kind(
        initial=one.default,
        label=one.name,
        help_text=one.explanation,
        required=not (one.optional or one.entry in (Entry.SWITCH, Entry.JSON)),
    )
    if isinstance(field, forms.IntegerField):  # numbers with a point too
        field.widget.attrs["step"] = "1" if one.entry is Entry.INTEGER else "any"
    return field
