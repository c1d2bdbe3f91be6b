"""Analysis of files, in a notebook or by `winnow analyze`."""
