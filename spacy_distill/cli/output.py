"""Where commands write pipelines to."""

from pathlib import Path


def require_free(output: Path, *, overwrite: bool) -> None:
    """Make sure that a pipeline can be written.

    output (Path): Its folder, which need not be there.
    overwrite (bool): Whether a pipeline that is there may be replaced.
    RAISES (ValueError): There is something that may not be replaced.
    """
    found = output.exists() and (not output.is_dir() or any(output.iterdir()))
    if found and not (overwrite and (output / "meta.json").is_file()):
        raise ValueError(
            f"{output}: found files there. Choose a new folder, or use --overwrite to replace a "
            "pipeline."
        )
