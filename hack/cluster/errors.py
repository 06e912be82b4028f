"""What goes wrong, by whom it can be put right."""


class ClusterError(Exception):
    """A part of the cluster failed. The message says what, where its log is, and what to do next."""

    exit_code = 1


class Missing(ClusterError):  # noqa: N818 - it reads as what it says
    """The machine lacks something that only its owner can provide: root, a package, a container engine."""

    exit_code = 2
