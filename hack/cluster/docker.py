"""Docker, where it is installed and its engine answers."""

import shutil

from hack.cluster.recipe import Recipe
from hack.cluster.shell import Words, run, succeeds


def answers() -> bool:
    """Whether an engine is there. A ``docker`` on the PATH may be a client without one."""
    return shutil.which("docker") is not None and succeeds(["docker", "info"])


def build(recipe: Recipe, reference: str) -> None:
    """Build the image with the Dockerfile's own base."""
    arguments = [
        word for key, value in recipe.build_args.items() for word in ("--build-arg", f"{key}={value}")
    ]
    what: Words = ["--file", recipe.dockerfile, "--tag", reference, *arguments, recipe.context]
    run(["docker", "build", *what], timeout=1800)


def push(reference: str) -> None:
    """Push the image to the registry that its name begins with."""
    run(["docker", "push", reference], timeout=900)


def in_registry(reference: str) -> bool:
    """Whether the registry has the image already."""
    return succeeds(["docker", "manifest", "inspect", reference], timeout=30)
