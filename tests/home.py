"""A pytest plugin, loaded before Django's settings: every run has a home of its own and leaves nothing behind."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

if "WINNOW_TEST_HOME" not in os.environ:
    folder = tempfile.mkdtemp(prefix="winnow-test-")
    os.environ["WINNOW_TEST_HOME"] = os.environ["WINNOW_HOME"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
