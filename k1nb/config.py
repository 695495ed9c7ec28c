"""Settings: one frozen object from the environment, then `k1nb.toml`, then defaults.

Only this module reads the environment. The names of the operations guide (CONDUCTOR_SERVER_URL, K1_DEVICE_IP …)
keep working; everything else is `K1NB_` and the field's name. Keys of the file are the fields' names.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from platformdirs import user_cache_path, user_data_path
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from k1nb.errors import SettingError
from k1nb.paths import Paths
from k1nb.secrets import Redactor, weakness
from k1nb.timings import Timings

PREFIX = "K1NB_"
RUN = "K1NB_RUN"
"""The variable by which every process of a run is known; services are started with an empty one."""
OtaMode = Literal["lock-step", "streaming"]
"""How an image goes to a device: a chunk and then its answer, or ahead of the answers."""


def _absolute(value: Any) -> Any:
    if not isinstance(value, str | Path) or not str(value):
        return value
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # ~somebody, who is not there
        raise ValueError(f"there is no such home folder: {error}") from None


def _no_file(value: Path) -> Path:
    for place in (value, *value.parents):
        if os.path.lexists(place):
            if not os.path.isdir(place):  # noqa: PTH112 - pathlib's raises where a link leads in a circle
                raise ValueError(f"a folder is wanted, and {place} is none")
            break
    return value


Folder = Annotated[Path, BeforeValidator(_absolute)]
Home = Annotated[Folder, AfterValidator(_no_file)]
"""A folder that is made when it is not there."""


def _guide(name: str) -> Any:
    """Give a field a name of the operations guide, without our prefix."""
    return AliasChoices(name)


class Settings(BaseSettings):
    """Every setting, validated and frozen; secrets are masked wherever it is shown."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    home: Home = Field(default_factory=lambda: user_data_path("k1nb"))
    """Where state lives."""
    cache: Home = Field(default_factory=lambda: user_cache_path("k1nb"))
    """Where downloads that can be fetched again live."""
    target: Literal["local"] = "local"
    """Where Conductor runs."""
    conductor_server_url: str = Field("http://127.0.0.1:8080/api", validation_alias=_guide("conductor_server_url"))
    """API address of the Conductor server; for the local target its port is the one the server is given."""
    conductor_auth_key: str | None = Field(None, validation_alias=_guide("conductor_auth_key"))
    conductor_auth_secret: SecretStr | None = Field(None, validation_alias=_guide("conductor_auth_secret"))
    k1_device_ip: str | None = Field(None, validation_alias=_guide("k1_device_ip"))
    """Address (`host` or `host:port`) of the device meant when none is named; it must be in the inventory."""
    artifact_storage_path: Home | None = Field(None, validation_alias=_guide("artifact_storage_path"))
    """Where artifacts are stored, instead of `artifacts` under the home."""
    platformio_project_path: Folder | None = Field(None, validation_alias=_guide("platformio_project_path"))
    """A PlatformIO project; the git repository around it is one that can be built."""
    repositories: dict[str, Folder] = Field(default_factory=dict)
    """Git repositories that can be built, by name."""
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias=_guide("log_level"))
    metrics_port: int = Field(9091, ge=1, le=65535, validation_alias=_guide("metrics_port"))
    """Port on which the worker host serves its metrics."""
    exporter_port: int = Field(9108, ge=1, le=65535)
    """Port on which the exporter serves the metrics of devices and Conductor, on the loopback."""
    github_webhook_secret: SecretStr | None = Field(None, validation_alias=_guide("github_webhook_secret"))
    audio_hosts: str = "*"
    """Hosts that audio files are fetched from, names with blanks between; `*` is every one with a public address, and
    one that is named may have a private one."""
    audio_max_mb: int = Field(50, ge=1, le=1024)
    """Size of the largest audio file that is fetched, in MiB."""
    commit_checks: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(default_factory=dict)
    """What a repository's commits are checked with before they are built, by its name: a program and its arguments."""
    approval_seconds: int = Field(3600, ge=1, le=86_400)
    """How long an approval gate waits for an answer; never longer than the gate itself says."""
    webapp_staging: str | None = None
    """Where the staging web app goes: a folder, or an rsync target; by default a folder under the home."""
    webapp_staging_url: str | None = None
    """Where that is served; tests serve a folder by themselves where it is not set."""
    webapp_production: str | None = None
    webapp_production_url: str | None = None
    notify_webhook_url: SecretStr | None = None
    """A webhook that takes Slack's JSON; whoever knows the address may write there, so it is a secret."""
    notify_apprise_urls: SecretStr | None = None
    """Addresses that Apprise sends to, separated by blanks."""
    owner_email: str = Field("dev@k1.reinvented", min_length=1)
    """Written into executions that people start."""
    ota_mode: OtaMode = "lock-step"
    """How images are sent to devices; `streaming` is faster and not yet proven on real ones."""
    ota_password: SecretStr | None = None
    """What devices are told whose OTA service asks for a password."""
    ota_passwords: dict[str, SecretStr] = Field(default_factory=dict)
    """The same for single devices, by their names in the inventory; they win."""
    rollout_parallel: int = Field(4, ge=1, le=1000)
    """Devices that a rollout deploys to at once, at most."""
    java: Folder | None = None
    """Java program of version 21 or newer, instead of the one that is found."""
    build_stamp: bool = False
    """Whether builds of real firmware carry the commit as a stamp that the device shows; it forces a full rebuild."""
    artifact_keep: int = Field(10, ge=1, le=10_000)
    """Artifacts that are kept, newest first; what a device runs or can go back to is kept besides."""
    records_keep: int = Field(500, ge=1, le=1_000_000)
    """Records of each notebook that keep their files, newest first; a manifest stays for ever."""
    records_keep_days: int = Field(365, ge=1, le=36_500)
    """Days for which records keep their files; the newest one of each notebook keeps them longer."""
    records_keep_failed_days: int = Field(1095, ge=1, le=36_500)
    """Days for which a record that did not pass keeps them whatever the two above say."""
    health_min_fps: float = Field(30.0, ge=0, le=1000)
    """Frames per second below which a device is unhealthy."""
    health_min_free_heap_bytes: int = Field(50_000, ge=0)
    """Free heap below which a device is unhealthy."""
    health_max_fps_drop_percent: float = Field(30.0, gt=0, le=100)
    """How far the frame rate may fall below that before the deployment."""
    health_max_heap_drop_percent: float = Field(30.0, gt=0, le=100)
    """How far the free heap may fall below that before the deployment."""
    health_max_render_growth_percent: float = Field(100.0, gt=0, le=10_000)
    """How far the render time may grow above that before the deployment."""
    server_heap_mb: int = Field(1024, ge=256, le=65536)
    """Heap limit of the local Conductor server, in MiB."""
    timings_scale: float = Field(1.0, gt=0, le=100)
    """Factor on every wait of our own; tests use it, operators should not."""
    run: str | None = None
    """Identifier of the run that a kernel belongs to; set by `k1nb run`, never by hand."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("audio_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        for name in value.split():
            if name != "*" and not re.fullmatch(r"[A-Za-z0-9._:-]+", name):
                raise ValueError(f"{name!r} is no host: names or addresses with blanks between are wanted, or *")
        return value

    @field_validator("conductor_auth_secret", "github_webhook_secret", "ota_password")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        if value and (wrong := weakness(value.get_secret_value(), cls.model_fields)):
            raise ValueError(f"{wrong}, for every place that has it is masked")
        return value

    @field_validator("ota_passwords")
    @classmethod
    def _strong_ones(cls, values: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for device, value in values.items():
            if value and (wrong := weakness(value.get_secret_value(), cls.model_fields)):
                raise ValueError(f"{wrong}, for every place that has it is masked (the one of {device})")
        return values

    @field_validator("notify_webhook_url")
    @classmethod
    def _webhook(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value()) if value else None
        if parts and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("an http or https address is wanted")
        return value

    @field_validator("webapp_staging_url", "webapp_production_url")
    @classmethod
    def _page(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if value and not (parts.scheme in ("http", "https") and parts.hostname and not parts.username):
            raise ValueError("an http or https address without credentials is wanted")
        return value and value.rstrip("/") + "/"

    @field_validator("conductor_server_url")
    @classmethod
    def _url(cls, value: str) -> str:
        wanted = "an http or https address such as http://127.0.0.1:8080/api is wanted"
        try:
            parts = urlsplit(value)
            fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError as error:
            raise ValueError(f"{wanted} ({error})") from None
        if not fits:
            raise ValueError(wanted)
        if parts.username or parts.password:
            raise ValueError("credentials belong in CONDUCTOR_AUTH_KEY and CONDUCTOR_AUTH_SECRET, not in the address")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings passes it by position
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over what `load` read from the file."""
        return env_settings, init_settings

    @property
    def paths(self) -> Paths:
        """The folders of this installation."""
        return Paths(self.home, self.cache, self.artifact_storage_path or self.home / "artifacts")

    @property
    def timings(self) -> Timings:
        """The waits and deadlines in force."""
        return Timings().scaled(self.timings_scale)

    @property
    def conductor_port(self) -> int:
        """Port of the Conductor server's address."""
        parts = urlsplit(self.conductor_server_url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    def secrets(self) -> Iterator[str]:
        """Yield the value of every secret that is set; of addresses each one, and what follows its host as well."""
        for name in type(self).model_fields:
            yield from self._values(name)

    def _values(self, name: str) -> Iterator[str]:
        for secret in _secrets_in(getattr(self, name)):
            yield secret.get_secret_value()
            if name.startswith("notify_"):
                yield from _parts(secret.get_secret_value())

    def ota_password_of(self, device: str) -> SecretStr | None:
        """Return the OTA password of a device of the inventory, by its name; None where there is none."""
        return self.ota_passwords.get(device) or self.ota_password or None

    @property
    def redact(self) -> Redactor:
        """A function that masks every secret in a text."""
        return Redactor(self.secrets())


def _parts(addresses: str) -> Iterator[str]:
    """Yield what may be said of secret addresses: each one, and each one's path, as an error answer may repeat it.

    A path that is a mere word is no secret, and would hide the word.
    """
    for address in addresses.split():
        yield address
        path = address.partition("://")[2].partition("/")[2]
        if not weakness(path):
            yield path


def load() -> Settings:
    """Read the settings; raises SettingError that names the key, the value and what was wanted."""
    _refuse_unknown_environment()
    file = _file()
    values = _read(file)
    try:
        return Settings(**values)
    except ValidationError as error:
        raise _setting_error(error, values, file) from None
    except (SettingsError, RecursionError):  # the latter from JSON that is nested beyond what can be read
        raise _no_json() from None


def origins(settings: Settings) -> dict[str, str]:
    """Return where each setting that is not at its default comes from, by its key: `the environment`, or the file."""
    file = _file()
    there = {name.upper() for name, value in os.environ.items() if value}
    from_environment = (name for name in Settings.model_fields if _environment_name(name) in there)
    every = dict.fromkeys(_read(file), str(file)) | dict.fromkeys(from_environment, "the environment")
    defaults = {name: field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()}
    return {name: origin for name, origin in every.items() if getattr(settings, name) != defaults[name]}


def environment(settings: Settings, **changes: str) -> dict[str, str]:
    """Return the environment for a child process: this one's, with `settings`' home and cache, and `changes`."""
    child = {**os.environ, "K1NB_HOME": str(settings.home), "K1NB_CACHE": str(settings.cache)}
    return {**child, "PYTHONUNBUFFERED": "1", **changes}


def bare_environment(**changes: str) -> dict[str, str]:
    """Return the environment for a program that is not ours: this one's without our settings and secrets.

    The mark of the run it belongs to stays, so that it ends with that run.
    """
    ours = {_environment_name(name) for name in Settings.model_fields}
    kept = {n: v for n, v in os.environ.items() if n.upper() not in ours and not n.startswith(PREFIX)}
    mark = {RUN: os.environ[RUN]} if os.environ.get(RUN) else {}
    return {**kept, **mark, **changes}


def variables(settings: Settings) -> dict[str, str]:
    """Return every setting that is no secret as its environment variable; an empty value stands for unset.

    The run is never handed on: it belongs to one kernel.
    """
    values = {name: getattr(settings, name) for name in Settings.model_fields} | {"run": None}
    return {_environment_name(n): _spelt(v) for n, v in values.items() if not _secrets_in(v)}


def _secrets_in(value: Any) -> list[SecretStr]:
    values = value.values() if isinstance(value, dict) else (value,)
    return [secret for secret in values if isinstance(secret, SecretStr)]


def _spelt(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, default=str)
    return "" if value is None else str(value)


def _file() -> Path:
    name = PREFIX + "HOME"
    home = os.environ.get(name)
    try:
        folder: Path = _absolute(home) if home else user_data_path("k1nb")
    except ValueError as error:
        raise SettingError(f"setting {name} {home!r} is refused: {error}", hint=f"correct or unset {name}") from None
    return folder / "k1nb.toml"


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingError(f"cannot read settings from {file}: {error}", hint="mend the file or remove it") from None


def holds_secret(settings: Settings) -> bool:
    """Tell whether there is a secret in the settings' file, one that the environment overrides included."""
    file = settings.paths.settings_file
    try:
        return any(value for key, value in _read(file).items() if _is_secret(key)) or settings.redact.holds(
            file.read_bytes() if file.exists() else b""
        )
    except (SettingError, OSError):  # what cannot be read may hold one
        return True


def _refuse_unknown_environment() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingError(f"unknown setting {unknown[0]} in the environment", hint=_nearest(unknown[0], known))


def _nearest(name: str, known: set[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"


def _setting_error(error: ValidationError, values: Mapping[str, Any], file: Path) -> SettingError:
    first = error.errors()[0]
    key = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return SettingError(f"unknown setting {key!r} in {file}", hint=_nearest(key, set(Settings.model_fields)))
    name = _environment_name(key)
    place = name if name in os.environ else f"{key} in {file}" if key in values else name
    given = "" if _is_secret(key) else f" {first['input']!r}"
    wanted = first["msg"].removeprefix("Value error, ")
    return SettingError(f"setting {place}{given} is refused: {wanted}", hint=f"correct or unset {place}")


def _no_json() -> SettingError:
    """Return what is wrong with the environment where pydantic-settings could not read a mapping."""
    examples = {
        "repositories": '{"NAME": "/path/to/clone"}',
        "ota_passwords": '{"DEVICE": "PASSWORD"}',
        "commit_checks": '{"NAME": ["program", "argument"]}',
    }
    name, example = next((n, e) for n, e in examples.items() if not _is_json(os.environ.get(_environment_name(n), "")))
    return SettingError(
        f"setting {_environment_name(name)} in the environment is refused: it is no valid JSON",
        hint=f"write it as '{example}'",
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(text or "{}")
    except (ValueError, RecursionError):
        return False
    return True


def _is_secret(key: str) -> bool:
    field = Settings.model_fields.get(key)
    return "secret" in key or "password" in key or (field is not None and "SecretStr" in str(field.annotation))


def _environment_name(key: str) -> str:
    field = Settings.model_fields.get(key)
    return key.upper() if field and field.validation_alias else PREFIX + key.upper()
