"""The events that come in now: accepted and refused, with a filter. It asks again every few seconds."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from experiments.selectors import simulated_keys
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.events.incoming import MINUTES, MOST, Wanted, incoming
from winnow.events.schema import KINDS
from winnow.web.request import PageRequest

ANY, ACCEPTED, REFUSED = "", "accepted", "refused"
LONGEST_FILTER = 200  # characters


@requires(Permission.VIEW)
@require_safe
@vary_on_headers("HX-Request")
def live(request: PageRequest) -> HttpResponse:
    """The newest events of the last minutes that fit the filter."""
    asked = {name: request.GET.get(name, "").strip()[:LONGEST_FILTER] for name in ("event", "user", "experiment")}
    outcome = request.GET.get("outcome", ANY)
    wanted = Wanted(**asked, accepted=outcome != REFUSED, refused=outcome != ACCEPTED)
    context = {
        "rows": incoming(wanted),
        "simulated": simulated_keys(),
        "asked": asked | {"outcome": outcome},
        "filtered": any(asked.values()) or outcome in (ACCEPTED, REFUSED),
        "paused": "paused" in request.GET,
        "query": request.GET.urlencode(),
        "names": sorted(KINDS),
        "minutes": MINUTES,
        "most": MOST,
        "url": request.build_absolute_uri("/v1/track"),
    }
    return render(request, "events/live_rows.html" if request.htmx else "events/live.html", context)
