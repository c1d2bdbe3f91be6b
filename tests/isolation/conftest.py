"""The model runs in an environment of its own, and its module cannot be imported here."""

collect_ignore = ["als.py"]
