"""Settings come from the environment, are checked whole, and are all in the README."""

from __future__ import annotations

import pytest

from models.errors import ConfigError
from service.settings import Settings, unknown_variables
from tests.service.golden import README, settings_table, with_figures


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "QAWL_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_are_the_contracts() -> None:
    settings = Settings.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 3000)
    assert settings.max_body_bytes == 4 * 1024 * 1024
    assert (settings.max_text, settings.max_sentences, settings.max_targets) == (500_000, 2_000, 32)
    assert settings.max_articles == 64
    assert settings.api_keys == ()


def test_the_environment_sets_and_an_option_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "4000")
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("QAWL_MAX_TEXT", "10")
    monkeypatch.setenv("QAWL_CORS_ORIGINS", "https://a.example, https://b.example:8443")
    monkeypatch.setenv("QAWL_API_KEYS", "")
    settings = Settings.load(port=5000)
    assert (settings.host, settings.port, settings.max_text) == ("0.0.0.0", 5000, 10)
    assert settings.cors_origins == ("https://a.example", "https://b.example:8443")
    assert settings.api_keys == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QAWL_MAX_TEXT", "0"),
        ("QAWL_THREADS", "many"),
        ("QAWL_DEADLINE_SECONDS", "-1"),
        ("QAWL_ENGINE", "tensorflow"),
        ("QAWL_API_KEYS", "my secret key"),
        ("QAWL_CORS_ORIGINS", "*"),
        ("PORT", "70000"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name) as raised:
        Settings.load()
    assert "\n" not in str(raised.value)
    if name == "QAWL_API_KEYS":
        assert value not in str(raised.value)


def test_keys_are_counted_not_shown() -> None:
    settings = Settings.load(
        api_keys=("a" * 64, "b" * 64), tracing_endpoint="http://me:secret@collector:4318/v1/traces"
    )
    assert settings.shown()["tracing_endpoint"] == "http://collector:4318/v1/traces"
    assert settings.shown()["api_keys"] == "2 set"
    assert "aaaa" not in str(settings.shown())


def test_a_mistyped_variable_is_noticed() -> None:
    assert unknown_variables({"QAWL_MAX_TXT": "5", "QAWL_MAX_TEXT": "5", "HOME": "/"}) == ["QAWL_MAX_TXT"]


def test_the_readme_has_every_setting_and_the_measured_figures() -> None:
    text = README.read_text(encoding="utf-8")
    assert settings_table() in text
    assert with_figures(text) == text
