"""The page of one strategy: what it is, training it, its versions and which of them serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from experiments.models import Arm
from recommenders.errors import RecommendersError
from recommenders.models import Strategy, StrategyVersion
from recommenders.registry import places, strategy_class
from recommenders.services import artefact_root, make_current
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.catalog.interactions import SIMULATED, SOURCE
from winnow.jobs.models import Job, Kind
from winnow.jobs.training import request_training
from winnow.web import measures
from winnow.web.experiment import STOP_POLLING
from winnow.web.progress import describe as describe_job
from winnow.web.request import PageRequest
from winnow.web.strategies import arms_by_version, describe
from winnow.web.strategy_words import data_name
from winnow.web.training_form import TrainingForm

REPORTED = ("seconds", "users", "items", "interactions", "notes")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of an artefact. ``size`` in bytes, None where the file is not on this machine."""

    name: str
    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One version: where it came from, what its training reported, its files, and where it serves."""

    version: StrategyVersion
    is_current: bool
    serves: tuple[Arm, ...]
    seconds: str
    report: Mapping[str, object]
    notes: Mapping[str, object]
    learnt_from: str
    simulated: bool
    config: Mapping[str, object]
    files: tuple[File, ...]


@requires(Permission.VIEW)
@require_safe
def strategy(request: PageRequest, key: str) -> HttpResponse:
    """The whole page."""
    return _page(request, key)


@requires(Permission.REGISTER_STRATEGIES)
@require_POST
@vary_on_headers("HX-Request")
def train(request: PageRequest, key: str) -> HttpResponse:
    """Ask for a training; what comes back shows its progress, or what is wrong beside its field."""
    find(key)
    if not describe(key, None).installed:
        raise Http404(key)
    form = TrainingForm(strategy_class(key).Config, request.POST)
    if not form.is_valid():
        return _page(request, key, form=form, status=422)
    try:
        request_training(
            key,
            data=form.cleaned_data["source"],
            config=form.values(),
            seed=form.cleaned_data["seed"],
            budget=form.budget(),
            requested_by=request.user.username,
            current=form.cleaned_data["current"],
        )
    except RecommendersError as error:
        form.add_error(None, str(error))
        return _page(request, key, form=form, status=422)
    return redirect("strategy", key)


@requires(Permission.VIEW)
@require_safe
@vary_on_headers("HX-Request")
def training(request: PageRequest, key: str) -> HttpResponse:
    """How far the training is, asked every second; once it has ended, the versions with the new one."""
    find(key)
    if not request.htmx:
        return redirect("strategy", key)
    job = latest_training(key)
    if job and job.open:
        return render(request, "strategy/job.html", _job_context(key, job))
    response = render(request, "strategy/versions.html", _versions_context(request, key), status=STOP_POLLING)
    response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#versions", "outerHTML"
    return response


@requires(Permission.REGISTER_STRATEGIES)
@require_POST
def current(request: PageRequest, key: str) -> HttpResponse:
    """Let another version serve where none is named."""
    find(key)
    version = request.POST.get("version", "")
    try:
        make_current(key, version)
    except RecommendersError as error:
        messages.error(request, str(error))
    else:
        said = gettext("%(version)s is the current version now.") % {"version": version}
        messages.success(request, said)
    return redirect("strategy", key)


def find(key: str) -> Strategy | None:
    """The row of a strategy, None where it is installed and not registered yet, or the page that says there is none."""
    row = Strategy.objects.select_related("current").filter(key=key).first()
    if row is None and key not in places():
        raise Http404(f"there is no strategy {key!r}")
    return row


def latest_training(key: str) -> Job | None:
    """The training of this strategy that was asked for last."""
    return Job.objects.filter(kind=Kind.TRAIN, subject=key).order_by("-created_at").first()


def version_rows(row: Strategy | None) -> tuple[VersionRow, ...]:
    """The versions of a strategy, newest first."""
    if row is None:
        return ()
    serving = arms_by_version()
    return tuple(
        _version_row(version, current=row.current_id, serves=serving.get(f"{row.key}@{version.version}", ()))
        for version in row.versions.order_by("-id")
    )


def _page(request: PageRequest, key: str, *, form: TrainingForm | None = None, status: int = 200) -> HttpResponse:
    context = _versions_context(request, key)
    described = context["described"] = describe(key, find(key))
    if context["may_train"] and described.installed:
        context["form"] = form or TrainingForm(strategy_class(key).Config)
    return render(request, "strategy.html", context, status=status)


def _versions_context(request: PageRequest, key: str) -> dict[str, object]:
    return _job_context(key, latest_training(key)) | {
        "rows": version_rows(find(key)),
        "may_train": request.user.may(Permission.REGISTER_STRATEGIES),
    }


def _job_context(key: str, job: Job | None) -> dict[str, object]:
    return {"key": key, "job": describe_job(job) if job else None, "latest": job}


def _version_row(version: StrategyVersion, *, current: int | None, serves: Sequence[Arm]) -> VersionRow:
    manifest = version.manifest
    report = manifest.get("report", {})
    notes = report.get("notes", {})
    folder = artefact_root() / version.strategy.key / version.version
    paths = {name: folder / name for name in manifest.get("files", {})}
    return VersionRow(
        version=version,
        is_current=version.pk == current,
        serves=tuple(serves),
        seconds=measures.seconds(float(report["seconds"])) if "seconds" in report else "",
        report={name: report[name] for name in REPORTED[1:4] if name in report},
        notes={name: value for name, value in notes.items() if name not in (SOURCE, SIMULATED)},
        learnt_from=data_name(notes[SOURCE]) if SOURCE in notes else "",
        simulated=SIMULATED in notes,
        config=manifest.get("config", {}),
        files=tuple(
            File(name=name, sha256=sha256, size=paths[name].stat().st_size if paths[name].is_file() else None)
            for name, sha256 in manifest.get("files", {}).items()
        ),
    )
