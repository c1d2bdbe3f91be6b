"""Compiles the translations into what pip builds, so that an installation writes nothing beside its code."""

from __future__ import annotations

import runpy
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileTranslations(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before each wheel and each editable install."""

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        """Write the .mo files; the build takes them as artifacts."""
        module = runpy.run_path(str(Path(self.root) / "platform" / "winnow" / "translations.py"))
        module["compile_catalogues"]()
