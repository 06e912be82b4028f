"""Whether a window of logged inputs still looks like the training data: plain functions of counts and values.

Nothing here reads, writes or knows the time. docs/drift.md explains the methods for those who set limits.
"""
