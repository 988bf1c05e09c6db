"""Tag text on a Ray cluster of two nodes, kill a worker or a node half way, and compare the result
with a local run, byte by byte:

python -m benchmarks.robustness.cluster training/packaged texts.jsonl --output docs/robustness.json
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List

import psutil
import typer
from wasabi import msg

from benchmarks.pages import keep

# Seconds until a run that does not end is taken for one that hangs.
PATIENCE = 1800
# Where Ray notes the address of the cluster that was started last.
CURRENT = Path("/tmp/ray/ray_current_cluster")
TITLE = "ray::ShardActor"


@contextmanager
def cluster(n_nodes: int, log: Path) -> Iterator[Dict[str, Any]]:
    """Start a cluster with `ray start`, a processor a node.

    YIELDS (Dict[str, Any]): The "address", the "nodes" as processes, and their "environment".
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    # Ray would give its workers a lower priority than the local run has.
    environment = {**os.environ, "RAY_worker_niceness": "0"}
    # Nodes and driver share a secret.
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    ray = Path(sys.executable).with_name("ray")
    nodes: List[subprocess.Popen] = []
    try:
        with log.open("w") as file:
            for number in range(n_nodes):
                place = ["--head", f"--port={port}", "--include-dashboard=false"]
                place = place if number == 0 else [f"--address={address}"]
                command = [str(ray), "start", "--block", "--num-cpus=1", *place]
                nodes.append(subprocess.Popen(command, env=environment, stdout=file, stderr=file))
                wait_for(lambda: is_there(nodes), "node")
        yield {"address": address, "nodes": nodes, "environment": environment}
    finally:
        for node in nodes:
            kill_tree(node.pid)
            node.wait()
        # `ray.init` would look for the cluster that was killed.
        if CURRENT.is_file() and CURRENT.read_text().endswith(f":{port}"):
            CURRENT.unlink()


def is_there(nodes: List[subprocess.Popen]) -> bool:
    """Find out if each node has a raylet."""
    ended = [node for node in nodes if node.poll() is not None]
    if ended:
        raise SystemExit(f"A node ended with status {ended[0].returncode}")
    return all(any(child.name() == "raylet" for child in tree(node.pid)) for node in nodes)


def tree(pid: int) -> List[psutil.Process]:
    """List a process and all below it."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_tree(pid: int) -> None:
    """Kill a process and all below it at once, as when a machine is lost."""
    for process in tree(pid):
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


def actors(pid: int) -> List[psutil.Process]:
    """Find the workers of a node."""
    found = []
    for process in tree(pid):
        try:
            if " ".join(process.cmdline()).startswith(TITLE):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for(is_there: Callable[[], Any], what: str) -> None:
    """Wait until something is there."""
    end = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() > end:
            raise SystemExit(f"No {what} in {PATIENCE} seconds")
        time.sleep(0.05)


def contents(folder: Path) -> Dict[str, bytes]:
    """Read all files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def n_shards(folder: Path) -> int:
    """Count the finished shards."""
    return len([*folder.glob("shard-*")]) if folder.is_dir() else 0


def main(
    model: Annotated[str, typer.Argument(help="Pipeline that finds entities")],
    source: Annotated[str, typer.Argument(metavar="INPUT", help="Text of at least ten shards")],
    output: Annotated[Path, typer.Option(help="JSON file to write")],
    shard_size: Annotated[int, typer.Option(help="Characters in a shard")] = 500_000,
) -> None:
    """Kill a worker and a node, and compare the results."""
    command = [sys.executable, "-m", "spacy", "distill-tag", model, source]
    settings = ["--shard-size", str(shard_size), "--format", "jsonl", "--threads", "1"]
    results: List[Dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        begin = time.monotonic()
        subprocess.run([*command, str(folder / "local"), *settings], check=True)
        local = time.monotonic() - begin
        expected = contents(folder / "local")
        total = n_shards(folder / "local")
        for fault in ("none", "kill -9 of a worker", "kill -9 of a node"):
            with cluster(2, folder / "ray.log") as started:
                target = folder / fault.replace(" ", "-")
                where = ["--executor", "ray", "--address", started["address"]]
                begin = time.monotonic()
                run = subprocess.Popen(
                    [*command, str(target), *settings, *where], env=started["environment"]
                )
                second = started["nodes"][1].pid
                if fault != "none":
                    wait_for(lambda: n_shards(target) >= total // 2, "shard")  # noqa: B023
                    at = n_shards(target)
                    if "node" in fault:
                        kill_tree(second)
                    else:
                        actors(second)[0].send_signal(signal.SIGKILL)
                status = run.wait(PATIENCE)
                results.append(
                    {
                        "fault": fault,
                        "status": status,
                        "equal": contents(target) == expected,
                        "shards": total,
                        "shards_at_fault": None if fault == "none" else at,
                        "seconds": round(time.monotonic() - begin, 1),
                    }
                )
                msg.info(json.dumps(results[-1]))
    data = {"shard_size": shard_size, "local_seconds": round(local, 1), "runs": results}
    keep(output, "cluster", data)
    if not all(run["equal"] and not run["status"] for run in results):
        msg.fail("A result differs", exits=1)


if __name__ == "__main__":
    typer.run(main)
