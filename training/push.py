"""`qawl push`: a bundle to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from models.bundle import MANIFEST, Bundle
from models.errors import ConfigError


def push(path: Path, repository: str, *, public: bool = False, api: HfApi | None = None) -> str:
    """Verify a bundle and upload exactly its files; a new repository is private unless `public`.

    Returns:
        The address of the commit.

    Raises:
        BundleError: the bundle does not load.
        ConfigError: the hub refuses, or the name is not OWNER/NAME.

    """
    bundle = Bundle.load(path)
    api = api or HfApi()
    try:
        api.create_repo(repository, private=not public, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=bundle.path,
            allow_patterns=[MANIFEST, *bundle.manifest.files],
            commit_message=f"{bundle.manifest.name} {bundle.manifest.version} ({bundle.fingerprint[:12]})",
        )
    except HFValidationError as error:
        raise ConfigError(f"REPO: {repository!r}: must be OWNER/NAME") from error
    except (HfHubHTTPError, OSError) as error:
        raise ConfigError(f"REPO: {repository}: {str(error).splitlines()[0]}") from error
    return str(commit.commit_url)
