"""The inbound webhook: a signed message starts a run of a Pipeline that has a trigger for it.

A program of its own with an identity of its own: it may read Pipelines and create runs, and nothing else.
"""
