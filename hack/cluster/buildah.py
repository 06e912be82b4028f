"""Images without a container engine: buildah, with a store of its own in the user's cache."""

import configparser
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.paths import cache_home
from hack.cluster.recipe import Recipe
from hack.cluster.shell import Words, run

_CERTIFICATES = Path("/etc/ssl/certs")
_DANGLING = 60
_PIP_VARIABLES = ("INDEX_URL", "EXTRA_INDEX_URL", "TRUSTED_HOST", "DEFAULT_TIMEOUT", "PROXY", "CERT")


def buildah(*words: str | Path, timeout: float = 60) -> str:
    """Run buildah on our store."""
    root = cache_home() / "buildah"
    # What buildah keeps for the time until the next boot, apart for each cache folder.
    volatile = f"/run/penstock/buildah-{hashlib.sha256(bytes(root)).hexdigest()[:8]}"
    store: Words = ["--root", root, "--runroot", volatile, "--storage-driver", "overlay"]
    return run(["buildah", *store, *words], timeout=timeout)


def references(name: str) -> list[str]:
    """The full references of all images of this full name in the store."""
    listed = buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()
    return [reference for reference in listed if reference.rpartition(":")[0] == name]


def has(reference: str) -> bool:
    """Whether the store holds the image."""
    return reference in references(reference.rpartition(":")[0])


def build(recipe: Recipe, reference: str, build_args: dict[str, str], *, pull: bool = False) -> None:
    """Build an image into the store. Steps whose inputs are the same come from the store's layers.

    Base images must be in the store unless ``pull`` allows to fetch them.
    ``RUN`` steps see the host's network, certificates and pip settings; none of these ends up in the image.
    """
    arguments = [word for key, value in build_args.items() for word in ("--build-arg", f"{key}={value}")]
    with _host_settings() as volumes:
        isolation = ["--isolation", "chroot", "--network", "host", "--pull" if pull else "--pull-never"]
        what: Words = ["--file", recipe.dockerfile, "--tag", reference, *arguments, recipe.context]
        buildah("build", "--layers", *isolation, *volumes, *what, timeout=1800)


def export(reference: str, archive: Path) -> None:
    """Write the image as a docker archive, whole or not at all."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    draft = archive.with_suffix(f".{os.getpid()}")
    try:
        buildah("push", reference, f"docker-archive:{draft}:{reference}", timeout=600)
        draft.replace(archive)
    finally:
        draft.unlink(missing_ok=True)


def push(reference: str) -> None:
    """Push the image to the registry that its name begins with."""
    buildah("push", reference, timeout=600)


def forget(old: list[str]) -> None:
    """Remove images; once many have gone, also the layers that no image needs any more.

    Layers of earlier stages make the next build fast, so they are not removed each time. A build under way
    elsewhere, or was cut off, keeps its layers: then they go another time.
    """
    for reference in old:
        buildah("rmi", "--force", reference)
    if old and len(buildah("images", "--all", "--quiet", "--filter", "dangling=true").split()) > _DANGLING:
        with suppress(ClusterError):
            buildah("rmi", "--prune")


@contextmanager
def _host_settings() -> Iterator[list[str]]:
    """Words that mount the host's name servers, certificates and pip settings for the time of a build."""
    with tempfile.NamedTemporaryFile("w", prefix="pip-", suffix=".conf") as pip:
        _pip_settings().write(pip)
        pip.flush()
        Path(pip.name).chmod(0o644)
        mounts = {_CERTIFICATES: _CERTIFICATES, Path("/etc/resolv.conf"): Path("/etc/resolv.conf")}
        mounts[Path(pip.name)] = Path("/etc/pip.conf")
        yield [
            word
            for source, at in mounts.items()
            if source.exists()
            for word in ("--volume", f"{source}:{at}:ro")
        ]


def _pip_settings() -> configparser.ConfigParser:
    """The host's pip settings, with the host's certificates when it names none.

    pip brings certificates of its own and would not trust an authority that only this machine knows.
    """
    settings = configparser.ConfigParser(interpolation=None)
    settings["global"] = {}
    bundle = _CERTIFICATES / "ca-certificates.crt"
    if bundle.exists():
        settings["global"]["cert"] = str(bundle)
    settings.read([Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf"])
    for variable in _PIP_VARIABLES:
        if value := os.environ.get(f"PIP_{variable}"):
            settings["global"][variable.lower().replace("_", "-")] = value
    return settings
