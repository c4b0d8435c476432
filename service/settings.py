"""Everything an operator can set, by environment (`QAWL_…`) or by `qawl serve`'s options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.bundle import SHIPPED
from models.errors import ConfigError

PREFIX = "QAWL_"
_HASH = re.compile(r"[0-9a-f]{64}")
_USER = re.compile(r"//[^/@]*@")
_ORIGIN = re.compile(r"https?://[^/\s]+")

Commas = Annotated[tuple[str, ...], NoDecode]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """One field a setting; `QAWL_` plus its name in capitals is the variable that sets it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, populate_by_name=True
    )

    bundle: Path = Field(SHIPPED, description="bundle folder to serve")
    engine: Literal["onnx", "torch"] = Field("onnx", description="torch needs the gpu extra")
    precision: Literal["fp32", "int8"] = Field("fp32", description="int8 only where the bundle ships it")
    threads: Count | None = Field(None, description="threads of the model; default: the cores this process may use")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(1, description="processes; one a pod, scale the pods")

    host: str = Field(
        "127.0.0.1", validation_alias=AliasChoices("QAWL_HOST", "HOST"), description="address to bind (also HOST)"
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        3000, validation_alias=AliasChoices("QAWL_PORT", "PORT"), description="port to bind (also PORT); 0: any"
    )

    max_body_bytes: Count = Field(4 * 1024 * 1024, description="bytes of a request's body (413)")
    max_articles: Count = Field(64, description="articles a batch (422)")
    max_text: Count = Field(500_000, description="code points of a text, or of all sentences together (422)")
    max_sentences: Count = Field(2_000, description="sentences or spans given by the caller (422)")
    max_segments: Count = Field(20_000, description="sentences that a text is cut into (422)")
    max_targets: Count = Field(32, description="targets an article (422)")
    max_target_tokens: Count | None = Field(None, description="tokens a target (422); default: the bundle's (96)")
    max_tokens: Count = Field(8_000_000, description="tokens an article costs over all its targets (422)")
    max_requests: Count = Field(256, description="requests in the house at once (429)")

    queue_tokens: Count = Field(
        400_000, description="tokens waiting for the model (429); an idle service takes any one request"
    )
    batch_tokens: Count = Field(512, description="tokens the model reads at a time")
    deadline_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        120.0, description="longest stay of a request (504); a client's X-Deadline-Ms can only shorten it"
    )
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = Field(
        2.0, description="how long /readyz says 503 after SIGTERM before the port closes"
    )

    api_keys: Commas = Field((), description="sha256 (hex) of each accepted key, by commas; none: open")
    cors_origins: Commas = Field((), description="origins whose pages may call, by commas; none: no CORS")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level that is logged")
    tracing_endpoint: str | None = Field(
        None, description="OTLP/HTTP collector; switches OpenTelemetry on (needs bentoml[tracing-otlp])"
    )

    @field_validator("api_keys", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _hashes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HASH.fullmatch(key) for key in value):
            # The value is not shown: it may be a key pasted in place of its hash.
            raise ValueError("each must be the 64 lower-case hex digits of a key's sha256")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ORIGIN.fullmatch(origin) for origin in value):
            raise ValueError("each must look like https://host[:port]")
        return value

    @classmethod
    def load(cls, **given: Any) -> Self:
        """The settings of this environment; `given` ones that are not None come first.

        Raises:
            ConfigError: a value is of the wrong form; names the variable.

        """
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            variable = name if name.isupper() else PREFIX + name.upper()
            raise ConfigError(f"{variable}: {first['msg'].removeprefix('Value error, ')}") from None

    def shown(self) -> dict[str, Any]:
        """The settings as they may be printed: keys are counted, passwords in addresses left out."""
        endpoint = self.tracing_endpoint and _USER.sub("//", self.tracing_endpoint)
        hidden = {"api_keys": f"{len(self.api_keys)} set", "tracing_endpoint": endpoint}
        return self.model_dump(mode="json") | hidden

    def limits(self) -> dict[str, int]:
        """The limits that a caller can meet, for /v1/model."""
        names = (
            "max_body_bytes",
            "max_articles",
            "max_text",
            "max_sentences",
            "max_segments",
            "max_targets",
            "max_tokens",
        )
        return {name: getattr(self, name) for name in names}


def unknown_variables(environment: dict[str, str]) -> list[str]:
    """Variables that look like settings and are none: likely typing errors."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
