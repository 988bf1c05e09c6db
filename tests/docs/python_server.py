"""Runs `python` commands of the pages without the seconds that each would need for its imports: one
process has imported everything, and forks for each command.

`python python_server.py SOCKET` serves; the `python` that `write_client` writes asks.
"""

import array
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path

CLIENT = """#!{python} -IS
import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    request = {{"args": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
    data = json.dumps(request).encode()
    descriptors = array.array("i", [0, 1, 2])
    server.sendmsg(
        [len(data).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
    )
    server.sendall(data)
    sys.exit(int(server.recv(16) or b"1"))
"""


def write_client(path: Path, address: Path) -> None:
    """Write the command that asks the server.

    path (Path): The file, such as a folder's "python".
    address (Path): The server's socket.
    """
    path.write_text(CLIENT.format(python=sys.executable, address=str(address)), encoding="utf8")
    path.chmod(0o755)


def serve(address: str, more: dict) -> None:
    """Answer until it is killed.

    address (str): The socket.
    more (dict): Arguments to add to commands, by the arguments that these begin with. The longest
        beginning counts.
    """
    # What the commands import, and what stands for packages that they would find.
    import datasets  # noqa: F401
    import gliner_stand_in  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import spacy.cli
    import spacy_transformers  # noqa: F401
    import torch
    from transformers import AutoModel, BertConfig

    import spacy_distill.annotation.annotate
    import spacy_distill.training.distill  # noqa: F401

    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.entry_points import remember_entry_points

    sys.path.pop(0)
    remember_entry_points()
    torch.set_num_threads(1)
    # transformers imports its parts at the first use of them.
    AutoModel.from_config(
        BertConfig(hidden_size=2, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
    )
    spacy.blank("en")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                answer(connection, more)
                os._exit(0)
            connection.close()


def answer(connection: socket.socket, more: dict) -> None:
    """Run one command and tell its exit status."""
    size = array.array("i").itemsize
    head, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * size))
    descriptors = array.array("i")
    descriptors.frombytes(ancillary[0][2][: 3 * size])
    data = b""
    while len(data) < int.from_bytes(head, "big"):
        data += connection.recv(1 << 16)
    request = json.loads(data)
    child = os.fork()
    if child == 0:
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
        os._exit(run(request, more))
    for descriptor in descriptors:
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status) % 256).encode())


def run(request: dict, more: dict) -> int:
    """RETURNS (int): The exit status of a command, which runs as if Python had just started."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    arguments = [*request["args"]]
    starts = [start for start in more if arguments[: len(start.split())] == start.split()]
    if starts:
        arguments += more[max(starts, key=len)].split()
    try:
        if arguments[0] == "-m":
            sys.argv[:] = arguments[1:]
            sys.path.insert(0, "")
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        elif arguments[0] in ("-c", "-"):
            code = arguments.pop(1) if arguments[0] == "-c" else sys.stdin.read()
            sys.argv[:] = arguments
            sys.path.insert(0, "")
            exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
        else:
            sys.argv[:] = arguments
            sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
            runpy.run_path(arguments[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]))
