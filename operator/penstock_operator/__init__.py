"""Brings the cluster to what is asked: a pure planner (core, manifests) inside a thin asynchronous shell."""
