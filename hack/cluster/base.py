"""Images that a machine without registry needs to begin with: the base of ours, and the Pods' sandbox."""

import shutil
import tempfile
from pathlib import Path

from hack.cluster import buildah
from hack.cluster.paths import cache_home, locked
from hack.cluster.recipe import Recipe
from hack.cluster.shell import run, say
from hack.cluster.versions import BASE_IMAGE

_PACKAGES = ("python3", "python3-venv", "ca-certificates")
_SLEEP = "2147483647"


def base_image() -> str:
    """The reference of the base image in buildah's store: Debian with Python, built once per recipe."""
    reference = f"localhost/penstock-base:{BASE_IMAGE}"
    with locked("image-penstock-base"):
        if not buildah.has(reference):
            say(f"base image {BASE_IMAGE}: building with debootstrap")
            cache_home().mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".base-", dir=cache_home()) as scratch:
                _build_base(Path(scratch), reference)
            say(f"base image {BASE_IMAGE}: built")
    return reference


def _build_base(scratch: Path, reference: str) -> None:
    rootfs, context = scratch / "rootfs", scratch / "context"
    context.mkdir()
    suite = BASE_IMAGE.partition("-")[0]
    run(["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", suite, rootfs], timeout=900)
    for waste in (
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "var/log",
    ):
        shutil.rmtree(rootfs / waste)
        (rootfs / waste).mkdir()
    # The official Python images have `python` too, and the Dockerfiles are written for both.
    (rootfs / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    run(["tar", "--numeric-owner", "-C", rootfs, "-cf", context / "rootfs.tar", "."], timeout=300)
    dockerfile = context / "Dockerfile"
    dockerfile.write_text('FROM scratch\nADD rootfs.tar /\nENV LANG=C.UTF-8\nCMD ["python3"]\n')
    buildah.build(Recipe(dockerfile, "penstock-base", (), context), reference, {})


def sandbox_image() -> tuple[str, Path]:
    """Reference and archive of the image whose sleeping process holds a Pod's namespaces.

    It takes the place of the pause image that a registry would serve.
    """
    busybox = Path("/bin/busybox")
    with locked("image-penstock-pause"), tempfile.TemporaryDirectory() as scratch:
        context = Path(scratch)
        shutil.copy(busybox, context / "busybox")
        dockerfile = context / "Dockerfile"
        dockerfile.write_text(
            f'FROM scratch\nCOPY busybox /busybox\nENTRYPOINT ["/busybox", "sleep", "{_SLEEP}"]\n'
        )
        recipe = Recipe(dockerfile, "penstock-pause", (context / "busybox",), context)
        reference = f"{recipe.full_name}:{recipe.tag('')}"
        archive = cache_home() / "images" / f"{recipe.short_name}-{recipe.tag('')}.tar"
        if not archive.exists():
            buildah.build(recipe, reference, {})
            buildah.export(reference, archive)
    return reference, archive
