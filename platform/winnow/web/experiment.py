"""The page of one experiment: trust, then verdict, then metrics; and the job that brings it up to date."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from experiments.contracts import Action, Stopping, Unit
from experiments.errors import IllegalTransition, UnknownExperiment
from experiments.selectors import ExperimentDetail, experiment_detail
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.jobs.evaluation import latest_job, request_evaluation
from winnow.web.decision import DecisionForm
from winnow.web.progress import describe
from winnow.web.request import PageRequest
from winnow.web.result import arm_rows, result_panel
from winnow.web.words import ACTIONS, STOPPINGS, UNITS, not_possible

STOP_POLLING = 286  # htmx: swap the answer in and ask no more


@requires(Permission.VIEW)
@require_safe
def experiment(request: PageRequest, key: str) -> HttpResponse:
    """The whole page."""
    return render_page(request, find(key))


@requires(Permission.RUN_EXPERIMENTS)
@require_POST
@vary_on_headers("HX-Request")
def refresh(request: PageRequest, key: str) -> HttpResponse:
    """Ask for an evaluation; what comes back shows its progress."""
    detail = find(key)
    try:
        request_evaluation(key, requested_by=request.user.username)
    except IllegalTransition:
        messages.error(request, not_possible(detail.experiment))
    return render_result(request, detail) if request.htmx else redirect("experiment", key)


@requires(Permission.VIEW)
@require_safe
@vary_on_headers("HX-Request")
def job(request: PageRequest, key: str) -> HttpResponse:
    """How far the job is, asked every second; once it has ended, the new result."""
    if not request.htmx:
        return redirect("experiment", key)
    latest = latest_job(key)
    if latest and latest.open:
        return render(request, "experiment/job.html", {"key": key, "job": describe(latest)})
    return render_result(request, find(key), status=STOP_POLLING)


def find(key: str) -> ExperimentDetail:
    """The experiment, or the page that says there is none."""
    try:
        return experiment_detail(key)
    except UnknownExperiment as error:
        raise Http404(str(error)) from None


def render_page(
    request: PageRequest, detail: ExperimentDetail, *, form: DecisionForm | None = None, status: int = 200
) -> HttpResponse:
    """The page, with a decision as it was sent if something is wrong with it."""
    context = _result_context(request, detail) | {"form": form or DecisionForm()}
    return render(request, "experiment.html", context, status=status)


def render_result(request: PageRequest, detail: ExperimentDetail, *, status: int = 200) -> HttpResponse:
    """The part of the page that a new result changes; it replaces itself wherever the request came from."""
    response = render(request, "experiment/result.html", _result_context(request, detail), status=status)
    response.headers["HX-Retarget"] = "#result"
    response.headers["HX-Reswap"] = "outerHTML"
    return response


def _result_context(request: PageRequest, detail: ExperimentDetail) -> dict[str, object]:
    latest = latest_job(detail.experiment.key)
    return {
        "experiment": detail.experiment,
        "key": detail.experiment.key,
        "may_run": request.user.may(Permission.RUN_EXPERIMENTS),
        "job": describe(latest) if latest else None,
        "unit": UNITS[Unit(detail.experiment.unit)],
        "stopping": STOPPINGS[Stopping(detail.experiment.stopping)],
        "if_unsettled": ACTIONS[Action(detail.experiment.if_unsettled)],
        "arms": arm_rows(detail),
        "result": result_panel(detail.report) if detail.report else None,
    }
