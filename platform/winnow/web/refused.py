"""The quarantine: refused events with the reason, and how many there were by reason and by key."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Max, Sum
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.events.models import RefusalCount, RefusedEvent
from winnow.events.quarantine import KEPT_FOR, MOST_KEPT
from winnow.web.request import PageRequest

SHOWN = 50  # of the newest that fit
DAYS = 7


@requires(Permission.VIEW)
@require_safe
def refused(request: PageRequest) -> HttpResponse:
    """Counts of the last days, and the newest events. What was sent is shown to engineers only: it may be personal."""
    key = request.GET.get("key", "")
    rows = RefusedEvent.objects.select_related("key").order_by("-id")
    if "field" in request.GET:
        rows = rows.filter(field=request.GET["field"][:100])
    if key.isascii() and key.isdigit() and len(key) < 19:
        rows = rows.filter(key=int(key))
    context = {
        "reasons": _totals("field", "event"),
        "keys": _totals("key", "key__name", "key__prefix"),
        "rows": rows[:SHOWN],
        "filtered": bool(key) or "field" in request.GET,
        "days": DAYS,
        "most_kept": MOST_KEPT,
        "kept_days": KEPT_FOR.days,
        "may_see_raw": request.user.may(Permission.REGISTER_STRATEGIES),
    }
    return render(request, "events/refused.html", context)


def _totals(*by: str) -> list[dict[str, object]]:
    """How many were refused in the last days, for each value of these columns, most first."""
    since = timezone.now().date() - timedelta(days=DAYS - 1)
    counts = RefusalCount.objects.filter(day__gte=since).values(*by)
    return list(counts.annotate(total=Sum("count"), last=Max("last_at")).order_by("-total", *by)[:SHOWN])
