"""Judging strategies by what users did later, beside baselines that everybody understands."""
