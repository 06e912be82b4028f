"""A real Kubernetes cluster for development and tests: on Docker through kind, on the current kubectl context,
or, on a machine without a container engine, as a bare single-node cluster built from source.

Run it from the top of the repository as ``python3 -m hack.cluster``. Standard library only.
"""
