"""The buttons that move an experiment on: start, stop, decide."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from experiments.errors import IllegalTransition, InvalidInput
from experiments.services import lifecycle
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.web.decision import DecisionForm
from winnow.web.experiment import find, render_page
from winnow.web.request import PageRequest
from winnow.web.words import not_possible


@requires(Permission.RUN_EXPERIMENTS)
@require_POST
def start(request: PageRequest, key: str) -> HttpResponse:
    """Start a draft."""
    experiment = find(key).experiment
    try:
        lifecycle.start(key)
    except IllegalTransition:
        messages.error(request, not_possible(experiment))
    else:
        messages.success(request, gettext("The experiment runs. Arms, weights and metrics stay as they are."))
    return redirect("experiment", key)


@requires(Permission.RUN_EXPERIMENTS)
@require_POST
def stop(request: PageRequest, key: str) -> HttpResponse:
    """Stop a running experiment."""
    experiment = find(key).experiment
    try:
        lifecycle.stop(key)
    except IllegalTransition:
        messages.error(request, not_possible(experiment))
    except InvalidInput:  # the only rule: the end comes after the start
        messages.error(request, gettext("The experiment starts in the future, so it cannot be stopped yet."))
    else:
        messages.success(request, gettext("The experiment is stopped. Refresh the result, then decide."))
    return redirect("experiment", key)


@requires(Permission.RUN_EXPERIMENTS)
@require_POST
def decide(request: PageRequest, key: str) -> HttpResponse:
    """Record what people decided."""
    detail = find(key)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return render_page(request, detail, form=form, status=422)
    try:
        lifecycle.decide(key, outcome=form.cleaned_data["outcome"], reason=form.cleaned_data["reason"])
    except IllegalTransition:
        messages.error(request, not_possible(detail.experiment))
    else:
        messages.success(request, gettext("The decision is recorded."))
    return redirect("experiment", key)
