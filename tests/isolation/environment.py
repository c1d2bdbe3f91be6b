"""The environment of the library implicit: not Winnow's."""

from __future__ import annotations

from tests import peers

PACKAGES = ("implicit==0.7.3", "numpy==1.26.4", "scipy==1.13.1")  # an older numpy than Winnow's can be


def python() -> str:
    """Its interpreter."""
    return peers.python("implicit", PACKAGES)
