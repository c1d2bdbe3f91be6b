"""The list of offline comparisons, asking for one, and how far those are that are being computed."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from recommenders.errors import RecommendersError
from recommenders.models import OfflineEvaluation
from recommenders.offline.report import OfflineReport, report_from_json
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.catalog.interactions import PARTLY_SIMULATED
from winnow.jobs.comparison import Question, question_of, request_comparison
from winnow.jobs.models import OPEN_STATES, Job, Kind, State
from winnow.web import measures
from winnow.web.comparison_form import ComparisonForm
from winnow.web.experiment import STOP_POLLING
from winnow.web.progress import Progress, describe
from winnow.web.request import PageRequest
from winnow.web.strategy_words import data_name

SHOWN = 100  # comparisons in the list


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The strategy with the highest NDCG."""

    label: str
    figure: str
    interval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """One line of the list."""

    evaluation: OfflineEvaluation
    report: OfflineReport
    data: str
    simulated: bool
    best: Best | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A comparison that is being computed, or was not."""

    job: Job
    progress: Progress
    question: Question
    data: str


@requires(Permission.VIEW)
@require_safe
def comparisons(request: PageRequest) -> HttpResponse:
    """Every comparison, newest first."""
    return _page(request)


@requires(Permission.REGISTER_STRATEGIES)
@require_POST
def compare(request: PageRequest) -> HttpResponse:
    """Ask for a comparison; the list shows its progress, or the form what is wrong beside its field."""
    form = ComparisonForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, status=422)
    try:
        request_comparison(form.question(), requested_by=request.user.username)
    except RecommendersError as error:
        form.add_error("strategies", str(error))
        return _page(request, form=form, status=422)
    return redirect("comparisons")


@requires(Permission.VIEW)
@require_safe
@vary_on_headers("HX-Request")
def comparing(request: PageRequest) -> HttpResponse:
    """How far the open comparisons are, asked every second; once one has ended, the list with its result."""
    if not request.htmx:
        return redirect("comparisons")
    rows = job_rows()
    asked = request.GET.get("open", "")
    if asked == str(open_count(rows)):
        return render(request, "comparison/jobs.html", {"jobs": rows, "open": open_count(rows)})
    status = 200 if open_count(rows) else STOP_POLLING
    response = render(request, "comparison/list.html", _list_context(request), status=status)
    response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#comparisons", "outerHTML"
    return response


def comparison_row(evaluation: OfflineEvaluation) -> ComparisonRow:
    """What the list says of a comparison."""
    report = report_from_json(evaluation.report)
    figures = [
        (figure.value, one.label, figure)
        for one in report.strategies
        for figure in one.figures
        if (figure.metric, figure.slice) == ("ndcg", "all")
    ]
    best = max(figures, default=None, key=lambda found: found[0])
    return ComparisonRow(
        evaluation=evaluation,
        report=report,
        data=data_name(evaluation.data),
        simulated=is_simulated(report),
        best=best
        and Best(
            label=best[1],
            figure=measures.number(best[0]),
            interval=measures.interval(best[2].ci_low, best[2].ci_high),
        ),
    )


def is_simulated(report: OfflineReport) -> bool:
    """Whether the data, or a part of it, was simulated."""
    return PARTLY_SIMULATED in report.notes


def job_rows() -> list[JobRow]:
    """The open comparisons, and the last one if it failed."""
    jobs = list(Job.objects.filter(kind=Kind.COMPARE, state__in=OPEN_STATES).order_by("created_at"))
    last = Job.objects.filter(kind=Kind.COMPARE).order_by("-created_at").first()
    if last and last.state == State.FAILED:
        jobs.append(last)
    return [
        JobRow(job=job, progress=describe(job), question=(asked := question_of(job)), data=data_name(asked.data))
        for job in jobs
    ]


def open_count(rows: list[JobRow]) -> int:
    """How many are being computed; the page asks again until it changes."""
    return sum(row.progress.open for row in rows)


def _page(request: PageRequest, *, form: ComparisonForm | None = None, status: int = 200) -> HttpResponse:
    context = _list_context(request)
    if context["may_compare"]:
        context["form"] = form or ComparisonForm()
    return render(request, "comparisons.html", context, status=status)


def _list_context(request: PageRequest) -> dict[str, object]:
    rows = job_rows()
    return {
        "rows": [comparison_row(evaluation) for evaluation in OfflineEvaluation.objects.all()[:SHOWN]],
        "jobs": rows,
        "open": open_count(rows),
        "may_compare": request.user.may(Permission.REGISTER_STRATEGIES),
    }
