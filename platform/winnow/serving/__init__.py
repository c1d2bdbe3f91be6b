"""From a request to a list: arm, strategy version, scores, what may be shown, exploration, fallback, log.

See docs/serving.md. :func:`winnow.serving.service.recommend` is the way in.
"""
