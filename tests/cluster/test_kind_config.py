"""kind-config.yaml, read by kind itself: its parser is not to be had in any other way."""

import os
import subprocess
from pathlib import Path

import pytest

from hack.cluster import build
from hack.cluster.errors import Missing
from hack.cluster.kind import CONFIG
from hack.cluster.versions import KIND

pytestmark = pytest.mark.e2e


def create(config: Path, tmp_path: Path) -> str:
    """What `kind create cluster` says where there is no Docker to create it with."""
    try:
        kind = build.ensure(KIND) / "kind"
    except Missing as missing:
        pytest.skip(str(missing))
    environment = {**os.environ, "PATH": str(tmp_path), "KIND_EXPERIMENTAL_PROVIDER": "docker"}
    done = subprocess.run(
        [kind, "create", "cluster", "--config", config, "--kubeconfig", tmp_path / "kubeconfig"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    return done.stderr


def test_our_configuration_gets_as_far_as_the_missing_engine(tmp_path: Path) -> None:
    said = create(CONFIG, tmp_path)
    assert "docker" in said
    assert "decode config" not in said


def test_a_broken_copy_does_not(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(CONFIG.read_text().replace("nodes:", "nodez:"))
    said = create(broken, tmp_path)
    assert "unable to decode config" in said
    assert "nodez" in said
