"""Settings: where they come from, and what is said of a wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from k1nb import config
from k1nb.config import Settings, load, origins, variables
from k1nb.errors import SettingError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home of its own."""
    monkeypatch.setenv("K1NB_HOME", str(tmp_path))
    return tmp_path


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting is taken from the environment, then from k1nb.toml, then from its default."""
    (home / "k1nb.toml").write_text('conductor_server_url = "http://127.0.0.1:7000/api"\nmetrics_port = 9555\n')
    monkeypatch.setenv("METRICS_PORT", "9444")
    settings = config.load()
    assert (settings.metrics_port, settings.conductor_port, settings.log_level) == (9444, 7000, "info")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("METRICS_PORT", "abc", "integer"),
        ("METRICS_PORT", "70000", "65535"),
        ("CONDUCTOR_SERVER_URL", "localhost:8080", "http"),
        ("LOG_LEVEL", "loud", "'debug', 'info'"),
        ("K1NB_TIMINGS_SCALE", "0", "greater than 0"),
        ("K1NB_TARGET", "moon", "local"),
    ],
)
def test_a_wrong_value_names_key_value_and_what_was_wanted(
    name: str, value: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error for a wrong value names the setting, the value and what was wanted, and has a hint."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        config.load()
    assert name in caught.value.message
    assert value in caught.value.message
    assert wanted in caught.value.message
    assert caught.value.hint


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_known_one(home: Path) -> None:
    """A misspelt key of k1nb.toml is an error that suggests the right one."""
    (home / "k1nb.toml").write_text('conductor_server_ulr = "http://127.0.0.1:1/api"\n')
    with pytest.raises(SettingError, match="conductor_server_ulr") as caught:
        config.load()
    assert caught.value.hint == "did you mean conductor_server_url?"


def test_an_unknown_variable_of_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt K1NB_ variable is an error that suggests the right one."""
    monkeypatch.setenv("K1NB_HOMES", "/x")
    with pytest.raises(SettingError, match="K1NB_HOMES") as caught:
        config.load()
    assert caught.value.hint == "did you mean K1NB_HOME?"


def test_a_broken_file_is_named(home: Path) -> None:
    """A k1nb.toml that is no TOML is named in the error."""
    (home / "k1nb.toml").write_text("home = [")
    with pytest.raises(SettingError, match=r"k1nb\.toml"):
        config.load()


@pytest.mark.parametrize("name", ["K1NB_REPOSITORIES", "K1NB_OTA_PASSWORDS"])
def test_json_that_is_none_is_a_setting_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping given as something else than JSON is a setting error that names it, not a traceback."""
    monkeypatch.setenv(name, "{nonsense")
    with pytest.raises(SettingError, match=name) as caught:
        config.load()
    assert "nonsense" not in str(caught.value)


def test_a_device_s_own_ota_password_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device is told its own OTA password, else the general one; an empty one is none."""
    assert config.load().ota_password_of("wall") is None
    (home / "k1nb.toml").write_text('ota_password = ""\nota_passwords = {wall = "older-secret-3"}\n')
    assert config.load().ota_password_of("shelf") is None
    monkeypatch.setenv("K1NB_OTA_PASSWORD", "general-secret-1")
    monkeypatch.setenv("K1NB_OTA_PASSWORDS", '{"wall": "wall-secret-2"}')
    settings = config.load()
    own, general = settings.ota_password_of("wall"), settings.ota_password_of("shelf")
    assert own is not None
    assert general is not None
    assert (own.get_secret_value(), general.get_secret_value()) == ("wall-secret-2", "general-secret-1")


def test_ota_passwords_are_secrets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are masked, redacted, refused without being quoted, and not among the variables handed to children."""
    monkeypatch.setenv("K1NB_OTA_PASSWORD", "general-secret-1")
    monkeypatch.setenv("K1NB_OTA_PASSWORDS", '{"wall": "wall-secret-2"}')
    settings = config.load()
    shown = f"{settings!r}{settings.model_dump()}{settings.model_dump_json()}{config.variables(settings)}"
    assert "-secret-" not in shown
    assert settings.redact("wall-secret-2 general-secret-1") == "[redacted] [redacted]"
    assert not {"K1NB_OTA_PASSWORD", "K1NB_OTA_PASSWORDS"} & config.variables(settings).keys()
    assert not {"K1NB_OTA_PASSWORD", "K1NB_OTA_PASSWORDS"} & config.bare_environment().keys()
    monkeypatch.delenv("K1NB_OTA_PASSWORDS")
    (home / "k1nb.toml").write_text("ota_passwords = {wall = 123456789}\n")
    with pytest.raises(SettingError, match="ota_passwords") as caught:
        config.load()
    assert "123456789" not in str(caught.value)


def test_a_wrong_secret_is_not_repeated(home: Path) -> None:
    """The error for a secret of the wrong type does not quote it."""
    (home / "k1nb.toml").write_text("github_webhook_secret = 123456789\n")
    with pytest.raises(SettingError) as caught:
        config.load()
    assert "123456789" not in str(caught.value)


def test_secrets_are_masked_wherever_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor dump shows a secret's value, and the redactor knows it."""
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "correct-horse-battery")
    settings = config.load()
    assert "correct-horse" not in f"{settings!r}{settings.model_dump()}{settings.model_dump_json()}"
    assert settings.redact("it is correct-horse-battery") == "it is [redacted]"


def test_credentials_in_the_address_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address with a password in it is refused."""
    monkeypatch.setenv("CONDUCTOR_SERVER_URL", "http://me:pw@127.0.0.1:8080/api")
    with pytest.raises(SettingError, match="CONDUCTOR_AUTH_KEY"):
        config.load()


def test_settings_are_frozen() -> None:
    """A setting cannot be changed after loading."""
    with pytest.raises(ValidationError):
        config.load().metrics_port = 1


def test_timings_scale_with_their_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The factor multiplies every wait."""
    before = config.load().timings
    monkeypatch.setenv("K1NB_TIMINGS_SCALE", "0.5")
    after = config.load().timings
    assert after.reboot_deadline == before.reboot_deadline / 2
    assert after.ota_deadline == before.ota_deadline / 2


def test_artifacts_live_where_the_guide_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ARTIFACT_STORAGE_PATH overrides the artifacts folder of the home."""
    assert config.load().paths.artifacts == home / "artifacts"
    monkeypatch.setenv("ARTIFACT_STORAGE_PATH", str(home / "elsewhere"))
    assert config.load().paths.artifacts == home / "elsewhere"


@pytest.mark.parametrize("name", ["K1NB_HOME", "K1NB_CACHE", "ARTIFACT_STORAGE_PATH"])
def test_a_folder_that_cannot_be_one_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A folder of ours may be missing, but neither be a file nor lie below one."""
    (home / "file").touch()
    monkeypatch.setenv(name, str(home / "new" / "folder"))
    config.load()
    for wrong in (home / "file", home / "file" / "below"):
        monkeypatch.setenv(name, str(wrong))
        with pytest.raises(SettingError, match=f"{name} .*{wrong}.* a folder is wanted, and {home / 'file'} is none"):
            config.load()


@pytest.mark.parametrize("port", ["0", "x", "65536"])
def test_an_address_with_a_wrong_port_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    """The server's address is refused where its port is none, before anything asks for it."""
    monkeypatch.setenv("CONDUCTOR_SERVER_URL", f"http://127.0.0.1:{port}/api")
    with pytest.raises(SettingError, match=f"CONDUCTOR_SERVER_URL .*:{port}/api"):
        config.load()


def test_each_setting_s_origin_is_known(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting comes from the environment, from the file, or is at its default and not listed."""
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("METRICS_PORT", "9999")
    monkeypatch.setenv("K1NB_TARGET", "local")
    found = origins(load())
    assert found["log_level"] == found["metrics_port"] == "the environment"
    assert "target" not in found
    assert found["conductor_server_url"] == str(settings.paths.settings_file)
    assert "java" not in found


def test_the_home_of_somebody_who_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ~ that no user's home stands behind is named with its setting."""
    monkeypatch.setenv("K1NB_HOME", "~nobody-of-that-name/k1nb")
    with pytest.raises(SettingError, match="K1NB_HOME"):
        load()


def test_a_webhook_s_address_is_a_secret(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """It is never shown, not even where it is refused, and its path alone is masked as well."""
    address = "https://hooks.example.org/services/T0/B0/secretword"
    monkeypatch.setenv("K1NB_NOTIFY_WEBHOOK_URL", address)
    monkeypatch.setenv(
        "K1NB_NOTIFY_APPRISE_URLS", "json://one.example.org/secret-one json://two.example.org/secret-two"
    )
    found = load()
    assert "secretword" not in repr(found)
    said = found.redact(f"404 at /services/T0/B0/secretword; {address}; json://two.example.org/secret-two")
    assert "secret" not in said
    assert "K1NB_NOTIFY_WEBHOOK_URL" not in variables(found)
    monkeypatch.setenv("K1NB_NOTIFY_WEBHOOK_URL", "hooks.example.org/secretword")
    with pytest.raises(SettingError, match="an http or https address is wanted") as caught:
        load()
    assert "secretword" not in str(caught.value)
    assert settings.notify_webhook_url is None


def test_a_repository_s_check_is_a_list_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check is given as program and arguments, survives being handed on, and is refused as a text or empty."""
    wanted = {"K1.node1": ["clang-format", "--dry-run", "a b.c"]}
    monkeypatch.setenv("K1NB_COMMIT_CHECKS", json.dumps(wanted))
    found = load()
    assert found.commit_checks == wanted
    assert json.loads(variables(found)["K1NB_COMMIT_CHECKS"]) == wanted
    for value, said in (('{"a": "make lint"}', "list"), ('{"a": []}', "at least 1"), ("{", "no valid JSON")):
        monkeypatch.setenv("K1NB_COMMIT_CHECKS", value)
        with pytest.raises(SettingError, match=said) as caught:
            load()
        assert "COMMIT_CHECKS" in str(caught.value)


@pytest.mark.parametrize("value", ["example.org", "ftp://example.org/", "https://me:pw@example.org/"])
def test_a_page_s_address_is_one_without_credentials(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Where the web app is served is an address that anybody may see."""
    monkeypatch.setenv("K1NB_WEBAPP_STAGING_URL", value)
    with pytest.raises(SettingError, match="WEBAPP_STAGING_URL"):
        load()
    monkeypatch.setenv("K1NB_WEBAPP_STAGING_URL", "https://example.org/app")
    assert load().webapp_staging_url == "https://example.org/app/"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONDUCTOR_AUTH_SECRET", "swordfish"),
        ("GITHUB_WEBHOOK_SECRET", "s3cr"),
        ("K1NB_OTA_PASSWORD", "lightwave"),
        ("K1NB_OTA_PASSWORDS", '{"wall": "", "shelf": "lightwave"}'),
        ("GITHUB_WEBHOOK_SECRET", "github_webhook_secret"),
        ("K1NB_OTA_PASSWORD", "daily-health"),
    ],
)
def test_a_secret_that_would_mask_ordinary_text_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the setting, and says what is wanted, never what was given."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=f"setting {name} is refused: .*wanted") as caught:
        load()
    assert "light" not in str(caught.value)
    assert value not in str(caught.value).replace(f"setting {name}", "")
    assert caught.value.hint == f"correct or unset {name}"


def test_of_an_address_a_mere_word_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A webhook's whole address is masked, and its path where that is more than a word."""
    monkeypatch.setenv("K1NB_NOTIFY_WEBHOOK_URL", "http://127.0.0.1:9/notifications")
    monkeypatch.setenv("K1NB_NOTIFY_APPRISE_URLS", "json://one.example.org/T0/words2")
    said = load().redact("notifications; http://127.0.0.1:9/notifications; T0/words2")
    assert said == "notifications; [redacted]; [redacted]"
