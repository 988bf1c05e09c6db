"""The executor of a Ray cluster: actors that load the plan's writer once and write whole shards.

An actor gets one shard at a time. If it or its node is killed, another actor writes the shard, and
Ray starts the actor again where there is room.
"""

import logging
import os
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional

from ..corpora.inputs import InputDocument
from ..loading import import_library
from .plan import INTERVAL, Advance, Plan, Workers, Written
from .renewal import RenewedWriter

# How often a shard may fail with its actor before the job ends: a document that ends every process
# that reads it would otherwise end all actors, again and again.
MAX_LOSSES = 4


class ShardActor:
    """A process of the cluster that writes shards."""

    def __init__(self, plan: Plan, folder: Path, working_directory: Path) -> None:
        """plan (Plan): How shards are made. folder (Path): The output folder. working_directory
        (Path): That of the job. If it is there, relative paths are read from it."""
        if working_directory.is_dir():
            os.chdir(working_directory)
        self._plan = plan
        self._folder = folder
        self._writer: Any = None

    def start(self) -> Dict[str, Any]:
        """Load the writer.

        RETURNS (Dict[str, Any]): The "labels" of the writer, and the "identity" of what it uses.
        """
        if self._writer is None:
            self._writer = RenewedWriter(self._plan, self._folder, lambda n_docs, n_words: None)
        return {"labels": list(self._writer.labels), "identity": self._writer.identity}

    def write(self, number: int, documents: List[InputDocument], input_hash: str) -> Written:
        """Write a shard."""
        return self._writer(number, documents, input_hash)


class _Shard:
    """A shard that is waiting or being written, and its result."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.n_losses = 0
        self.written: Optional[Written] = None


class _Actors:
    """The actors, and the queue of shards that wait for one."""

    def __init__(self, ray: Any, plan: Plan, actors: List[Any], advance: Advance) -> None:
        self._ray = ray
        self._advance = advance
        self._identity = plan.identity()
        self._queue: Deque[_Shard] = deque()
        self._idle: List[Any] = []
        # What each actor is doing, by the reference of the call: starting (None), or a shard.
        self._calls: Dict[Any, Any] = {}
        self.labels: Optional[List[str]] = None
        for actor in actors:
            self._start(actor)
        while self.labels is None:
            self._wait()

    def work(
        self, number: int, documents: List[InputDocument], input_hash: str
    ) -> Callable[[], Written]:
        """Start the work on a shard, and return a function that waits for it."""
        shard = _Shard(number, documents, input_hash)
        self._queue.append(shard)
        self._assign()
        return partial(self._finish, shard)

    def _finish(self, shard: _Shard) -> Written:
        while shard.written is None:
            self._wait()
        return shard.written

    def _start(self, actor: Any) -> None:
        # Ray repeats this call until the actor runs, on any node.
        call = actor.start.options(max_task_retries=-1).remote()
        self._calls[call] = (actor, None)

    def _assign(self) -> None:
        while self._queue and self._idle:
            actor, shard = self._idle.pop(), self._queue.popleft()
            self._calls[actor.write.remote(*shard.arguments)] = (actor, shard)

    def _wait(self) -> None:
        """Wait for a call, handle its result, and give waiting shards to idle actors."""
        ready, _ = self._ray.wait(list(self._calls), timeout=INTERVAL)
        for call in ready:
            actor, shard = self._calls.pop(call)
            try:
                result = self._ray.get(call)
            except self._ray.exceptions.RayTaskError as error:
                # An error of the work itself: that of the plan, not of the cluster.
                raise _cause(error) from error
            except self._ray.exceptions.RayError as error:
                self._lose(shard, error)
                self._start(actor)
                continue
            if shard is None:
                self._require_same(result["identity"])
                self.labels = result["labels"]
            else:
                shard.written = result
                entry, skipped = result
                self._advance(entry.documents + len(skipped), entry.tokens)
            self._idle.append(actor)
        self._assign()

    def _lose(self, shard: Optional[_Shard], error: Exception) -> None:
        """Put the shard of an actor that died to the front of the queue."""
        if shard is None:
            raise ValueError(
                f"[D754] A worker of Ray cannot be started: {_one_line(error)} Correct the "
                "cluster. Finished shards are kept: run the same command again."
            ) from error
        shard.n_losses += 1
        if shard.n_losses > MAX_LOSSES:
            raise ValueError(
                f"[D755] {shard.n_losses} workers of Ray ended while they wrote the shard "
                f"{shard.arguments[0]}, perhaps for lack of memory: {_one_line(error)} Finished "
                "shards are kept. Run the same command again, with fewer workers (--workers) or "
                "smaller batches (--batch-size)."
            ) from error
        self._queue.appendleft(shard)

    def _require_same(self, identity: Dict[str, Any]) -> None:
        different = [key for key in self._identity if identity.get(key) != self._identity[key]]
        if different:
            raise ValueError(
                f"[D753] A node of Ray has another {' and another '.join(different)} than this "
                "machine, so its shards might differ. Install the same on all nodes."
            )


def _cause(error: Exception) -> Exception:
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[0].split()).rstrip(".") + "."


def plan_of_actor(plan: Plan) -> Plan:
    """RETURNS (Plan): The plan of an actor, to which Ray shows one GPU as the first one."""
    return replace(plan, use_gpu=min(plan.use_gpu, 0))  # type: ignore[type-var]


@contextmanager
def workers(
    plan: Plan, folder: Path, advance: Advance, address: Optional[str], n_workers: Optional[int]
) -> Iterator[Workers]:
    """Start the actors that write shards. They get text, and write the files themselves.

    plan (Plan): How shards are made. What it names is there on each node, under the same path.
    folder (Path): The output folder, which all nodes can write to.
    advance (Advance): Called in this process, after each shard.
    address (Optional[str]): The address of the cluster; None for the one that runs here, or else
        for one that is started here.
    n_workers (Optional[int]): Number of actors; None for one for each processor, or for each GPU.
    YIELDS (Workers): The actors.
    RAISES (ValueError): There is no such cluster, or it has none of what an actor needs. With
        `n_workers`, actors wait until there is room, since a cluster may add nodes by itself.
    """
    ray = import_library("ray", "ray")
    is_ours = not ray.is_initialized()
    if is_ours:
        # Without an address, a cluster that the environment names or that runs here is joined.
        try:
            ray.init(
                address, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR
            )
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise ValueError(
                f"[D756] The Ray cluster '{address or 'auto'}' cannot be reached: "
                f"{_one_line(error)} Start it with `ray start`, or correct --address."
            ) from error
    resource = "CPU" if plan.use_gpu < 0 else "GPU"
    actors: List[Any] = []
    try:
        n_actors = n_workers or int(ray.cluster_resources().get(resource, 0))
        if not n_actors:
            raise ValueError(
                f"[D759] The Ray cluster has no {resource}, so no worker can start. Add a node "
                "that has one, leave out --gpu-id to run on the CPU, or set --workers if the "
                "cluster adds nodes by itself."
            )
        options = {"num_cpus": 1, "num_gpus": int(plan.use_gpu >= 0), "max_restarts": -1}
        actor_class = ray.remote(**options)(ShardActor)
        arguments = (plan_of_actor(plan), folder, Path.cwd())
        actors += [actor_class.remote(*arguments) for _ in range(n_actors)]
        running = _Actors(ray, plan, actors, advance)
        yield Workers(running.labels or [], running.work, n_actors)
    finally:
        for actor in actors:
            ray.kill(actor)
        if is_ours:
            ray.shutdown()
