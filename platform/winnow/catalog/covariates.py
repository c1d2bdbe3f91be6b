"""Profiles as an experiment sees them: those of its start, which no arm can have changed."""

from __future__ import annotations

from experiments.models import Experiment
from winnow.catalog.features import relation_of
from winnow.catalog.profiles import name_of, version_before
from winnow.events.warehouse import LakeWarehouse


def provide_profiles(warehouse: LakeWarehouse, experiment: Experiment) -> str:
    """Put the profiles as of the experiment's start beside the warehouse's events, where its analysis needs them.

    Returns the name of their version, "" where none are needed. Late events from before the start make a new version.
    """
    if not experiment.uses_profiles:
        return ""
    version = version_before(warehouse, experiment.require_started())
    warehouse.define("profiles", relation_of(version))
    return name_of(version)
