"""A real Kubernetes for development and tests.

It runs on Docker through kind, or is the cluster of the current kubectl context, or, on a machine without a
container engine, a bare single-node cluster built from source.

Run it from the top of the repository as ``python3 -m hack.cluster``. Standard library only.
"""
