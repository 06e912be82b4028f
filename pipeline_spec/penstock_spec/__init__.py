"""What a pipeline is.

The API's models, the compiler from spec to graph, digests, the CRD generator. No I/O.
"""
