"""Filters of the pages."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from experiments import figures

register = template.Library()


@register.filter
def moment(when: datetime) -> str:
    """A date with its time and zone."""
    local = timezone.localtime(when)
    pattern = gettext("j M Y, H:i")  # outside the f-string, where the extractor finds it
    return f"{date_format(local, pattern)} {local.tzname()}"


@register.filter
def clock(when: datetime) -> str:
    """The time of day, to a second, with its zone."""
    local = timezone.localtime(when)
    return f"{local:%H:%M:%S} {local.tzname()}"


@register.filter
def day(when: datetime) -> str:
    """A date without its time."""
    return date_format(timezone.localtime(when), gettext("j M Y"))


@register.filter
def count(number: int) -> str:
    """A whole number with separators."""
    return figures.count(number)
