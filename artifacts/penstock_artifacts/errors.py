"""What can go wrong with the store, by what the reader can do about it.

StoreError
├── StoreUnavailable   it cannot be reached, refuses us or is broken: try again, or mend the settings
├── ArtifactMissing    it answers, but holds no such bytes: make them again
└── ArtifactCorrupt    what it holds, or what we were given, does not have the digest or shape it must have
"""


class StoreError(Exception):
    """The store did not do what was asked. The message has no secrets and is fit for a status."""


class StoreUnavailable(StoreError):  # noqa: N818 - named like the failure class it becomes
    """Endpoint, credentials or server are at fault; the message says which and what to check.

    `away` where the same request may find another answer soon: nobody answers, or the server is in trouble.
    """

    def __init__(self, message: str, *, away: bool = False) -> None:
        super().__init__(message)
        self.away = away


class ArtifactMissing(StoreError):  # noqa: N818 - a state of the artifact, read so at every use
    """The store answers, and has no object of this name."""


class ArtifactCorrupt(StoreError):  # noqa: N818 - the same
    """Bytes do not have their digest, or a manifest or folder is not what it must be."""
