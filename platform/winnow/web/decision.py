"""What people fill in when they decide."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from experiments.models.experiment import Outcome


class DecisionForm(forms.Form):
    """An outcome and the reason for it."""

    outcome = forms.ChoiceField(
        label=_("Outcome"),
        choices=Outcome.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose an outcome.")},
    )
    reason = forms.CharField(
        label=_("Reason"),
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": _("Say why: whoever reads this in a year will ask.")},
    )
