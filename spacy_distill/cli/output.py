"""Where commands write pipelines and reports to."""

from pathlib import Path


def require_free(
    output: Path, *, overwrite: bool, kind: str = "pipeline", mark: str = "meta.json"
) -> None:
    """Make sure that a folder can be written.

    output (Path): The folder, which need not be there.
    overwrite (bool): Whether one of the same kind that is there may be replaced.
    kind (str): What is to be written.
    mark (str): The file that tells one of this kind.
    RAISES (ValueError): There is something that may not be replaced.
    """
    found = output.exists() and (not output.is_dir() or any(output.iterdir()))
    if found and not (overwrite and (output / mark).is_file()):
        raise ValueError(
            f"[D722] {output}: found files there. Choose a new folder, or use --overwrite to "
            f"replace a {kind}."
        )
