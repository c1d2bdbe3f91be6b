"""The other side of the strategy ``remote``: runs in an environment that has numpy and a model's own libraries."""
