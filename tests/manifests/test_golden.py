"""Manifests as they were reviewed: from the examples, and from one pipeline that uses everything."""

import json
from pathlib import Path

import pytest
import yaml

from tests.manifests.manifest_worlds import PIPELINES, ROOT, golden_name, manifests_of


@pytest.mark.parametrize("path", PIPELINES, ids=golden_name)
def test_the_manifests_are_those_that_were_reviewed(path: Path, update_golden: bool) -> None:
    manifests = json.loads(
        json.dumps(manifests_of(path))
    )  # shared parts written out, as the API server gets them
    text = yaml.safe_dump_all(manifests, sort_keys=True, width=110, allow_unicode=True)
    golden = ROOT / "tests/golden/manifests" / f"{golden_name(path)}.yaml"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text(), "pytest --update-golden writes it; look at the difference"


def test_every_golden_file_belongs_to_a_pipeline() -> None:
    found = {one.stem for one in (ROOT / "tests/golden/manifests").glob("*.yaml")}
    assert found == {golden_name(one) for one in PIPELINES}
