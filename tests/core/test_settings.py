"""Settings: what a chart's values may say, and how a mistake in them is told."""

import pytest

from penstock_operator.core.settings import Settings, SettingsError
from penstock_spec.names import FailureClass


def test_nothing_said_means_the_defaults() -> None:
    assert Settings.from_json("{}") == Settings()


def test_values_take_their_places() -> None:
    text = '{"imageGrace": 5, "pods": {"stepsImage": "r/steps:2"}, "budgets": {"UserError": {"retries": 1}}}'
    settings = Settings.from_json(text)
    assert settings.image_grace == 5.0
    assert settings.pods.steps_image == "r/steps:2"
    assert settings.budgets[FailureClass.USER_ERROR].retries == 1
    assert settings.budgets[FailureClass.DISRUPTION].retries == 20
    assert Settings.from_json('{"gangs": "IndexedJob"}').gangs == "IndexedJob"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "not JSON"),
        ("[]", "a JSON object"),
        ('{"imageGrase": 1}', "settings.imageGrase: unknown; known are"),
        ('{"imageGrace": "1m"}', "settings.imageGrace: a number"),
        ('{"imageGrace": -1}', "not negative"),
        ('{"imageGrace": true}', "a number"),
        ('{"logTails": 1.5}', "a whole number"),
        ('{"gangs": "JobSet"}', "settings.gangs: one of Auto, IndexedJob is expected, not 'JobSet'"),
        ('{"pods": {"stepsImage": ""}}', "settings.pods.stepsImage: a text"),
        ('{"pods": []}', "settings.pods: a mapping"),
        ('{"budgets": {"Nope": {}}}', "settings.budgets.Nope: unknown class"),
        ('{"budgets": {"UserError": {"tries": 1}}}', "settings.budgets.UserError.tries: unknown"),
        ('{"budgets": {"UserError": 3}}', "settings.budgets.UserError: a mapping"),
    ],
)
def test_a_mistake_is_named(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words.replace("[", r"\[")):
        Settings.from_json(text)


def test_retries_wait_longer_each_time_up_to_a_maximum() -> None:
    store = Settings().budgets[FailureClass.STORE_UNAVAILABLE]
    assert [store.wait(retry) for retry in range(1, 6)] == [1, 2, 4, 8, 16]
    assert Settings().budgets[FailureClass.DISRUPTION].wait(20) == 60
