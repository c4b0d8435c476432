"""A TOML file as one typed model, checked whole before anything is done with it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import ConfigError


class Strict(BaseModel):
    """Unknown keys and silent conversions are errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path, model: type[Model]) -> Model:
    """Read and check a file.

    Raises:
        ConfigError: names the file, the field, its value and what is allowed.

    """
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_problem(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def first_problem(error: ValidationError) -> str:
    """The first complaint of pydantic as one sentence: field, value, what is allowed."""
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"])
    value = problem["input"]
    shown = f"{value!r}: " if isinstance(value, str | int | float | bool) else ""
    message = problem["msg"].removeprefix("Value error, ")
    return f"{field}: {shown}{message}" if field else message
