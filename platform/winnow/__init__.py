"""Winnow, the shell: the only code that knows both the recommenders and the experiments."""
