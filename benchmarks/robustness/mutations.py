"""Change the bytes of valid files, as bad disks and strangers do."""

import json
import random
import re
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy
import srsly

HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, -1, 0, 10**9, 255, 65535)
# Values of other types than expected, and paths that lead out of a folder.
STRANGE: Tuple[Any, ...] = (
    *(None, True, False, -1, 0, 2**31, 2**53, 10**18, 1.5, "", "x", [], {}, [[]], {"a": 1}, b"x"),
    *("../../x", "/etc/passwd", "a/b", "shard-000001.parquet", "\x00", float("inf"), float("nan")),
)
MSGPACK_TYPES = bytes(
    (0xC0, 0xC1, 0xC4, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCF, 0xD9, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF)
)

Mutation = Callable[[bytes, random.Random, Sequence[bytes]], bytes]


def flip_bits(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 10, 100)) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_early_bits(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Headers come first in most formats."""
    return flip_bits(data[:64], rng, others) + data[64:]


def flip_late_bits(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """In parquet and zip the directory comes last."""
    cut = max(len(data) - 600, 0)
    return data[:cut] + flip_bits(data[cut:], rng, others)


def cut_off(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    return data[: rng.randint(0, len(data))]


def insert(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    place = rng.randint(0, len(data))
    return data[:place] + rng.randbytes(rng.choice((1, 4, 1000))) + data[place:]


def remove(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    start = rng.randint(0, len(data))
    return data[:start] + data[start + rng.choice((1, 4, 100, 10_000)) :]


def repeat(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    start = rng.randint(0, len(data))
    end = start + rng.choice((1, 8, 500))
    return data[:end] + data[start:end] * rng.choice((1, 50)) + data[end:]


def write_length(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Write a large number in the place of some bytes, as if it were a length."""
    size = rng.choice((1, 2, 4, 8))
    number = rng.choice(HUGE) % (1 << 8 * size)
    place = rng.randrange(max(len(data) - size, 1))
    return (
        data[:place] + number.to_bytes(size, rng.choice(("big", "little"))) + data[place + size :]
    )


def change_type(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    place = rng.randrange(max(min(len(data), rng.choice((50, 5000, 10**9))), 1))
    return data[:place] + bytes([rng.choice(MSGPACK_TYPES)]) + data[place + 1 :]


def nest(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Nest deeply."""
    depth = rng.choice((100, 1000, 100_000))
    opening = rng.choice(
        (b"[", b'{"a":', b"\x91", b"\x81\xa1a", b"\xdd\x7f\xff\xff\xff", b"\xdc\xff\xff")
    )
    place = rng.choice((0, rng.randint(0, len(data))))
    return data[:place] + opening * depth + data[place:]


def change_numbers(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Write other numbers in texts, as in the headers of arrays."""
    found = list(re.finditer(rb"\d+", data[:100_000]))
    if not found:
        return flip_bits(data, rng, others)
    number = rng.choice(found[: rng.choice((5, 100_000))])
    return data[: number.start()] + str(rng.choice(HUGE)).encode() + data[number.end() :]


def swap(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    return rng.choice(others) if others else b""


def empty(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    return b""


def noise(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    return rng.randbytes(rng.choice((1, 100, 10_000)))


def _places(value: Any, path: Tuple = ()) -> List[Tuple]:
    """RETURNS (List[Tuple]): The paths of all values within lists and dictionaries."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path]
    if isinstance(value, (dict, list)):
        for key, part in items:
            found += _places(part, (*path, key))
    return found


def _strange_array(array: numpy.ndarray, rng: random.Random) -> numpy.ndarray:
    changed = array.copy()
    with numpy.errstate(all="ignore"):
        return rng.choice(
            (
                lambda: changed.astype(rng.choice(("float64", "int8", "uint64", "float16", "<U3"))),
                lambda: changed.reshape(-1),
                lambda: changed[: len(changed) // 2],
                lambda: numpy.zeros((0, 2**40), dtype=array.dtype),
                lambda: changed[..., None],
                lambda: changed * rng.choice((numpy.nan, numpy.inf, 1e30)),
                lambda: numpy.roll(changed, 1),
                lambda: numpy.full_like(changed, rng.choice((0, 1, 127))),
            )
        )()


def _replaced(value: Any, path: Tuple, rng: random.Random) -> Any:
    """Replace the value at a path, or remove or repeat it."""
    if not path:
        is_array = isinstance(value, numpy.ndarray) and value.ndim > 0
        return (
            _strange_array(value, rng) if is_array and rng.random() < 0.8 else rng.choice(STRANGE)
        )
    key, *rest = path
    changed = dict(value) if isinstance(value, dict) else list(value)
    if not rest and rng.random() < 0.3:
        if isinstance(changed, list) and rng.random() < 0.5:
            changed += [value[key]] * rng.choice((1, 100))
        else:
            del changed[key]
    else:
        changed[key] = _replaced(value[key], tuple(rest), rng)
    return changed


def change_json(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Change a value of JSON. Lines of JSON are changed one at a time."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    try:
        try:
            value, place = json.loads(data), -1
        except ValueError:
            value = json.loads(lines[place])
        changed = _replaced(value, rng.choice(_places(value)), rng)
        text = json.dumps(changed, default=repr).encode()
    except (ValueError, TypeError):
        return change_numbers(data, rng, others)
    return text if place < 0 else b"\n".join([*lines[:place], text, *lines[place + 1 :]])


def change_msgpack(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Change a value of msgpack, also one within bytes that are msgpack themselves."""
    try:
        value = srsly.msgpack_loads(data)
        path = rng.choice(_places(value))
        inner = value
        for key in path:
            inner = inner[key]
        if isinstance(inner, bytes) and rng.random() < 0.8:
            changed = change_msgpack(inner, rng, others)
            for depth in range(len(path) - 1, -1, -1):
                outer = value
                for key in path[:depth]:
                    outer = outer[key]
                outer[path[depth]] = changed
                changed = outer
            return srsly.msgpack_dumps(changed)
        return srsly.msgpack_dumps(_replaced(value, path, rng))
    except Exception:
        return change_type(data, rng, others)


MUTATIONS: Dict[str, Mutation] = {
    "bits": flip_bits,
    "early bits": flip_early_bits,
    "late bits": flip_late_bits,
    "cut off": cut_off,
    "insert": insert,
    "remove": remove,
    "repeat": repeat,
    "length": write_length,
    "type": change_type,
    "nest": nest,
    "numbers": change_numbers,
    "swap": swap,
    "empty": empty,
    "noise": noise,
    "json": change_json,
    "msgpack": change_msgpack,
}


def mutate(data: bytes, rng: random.Random, others: Sequence[bytes]) -> Tuple[str, bytes]:
    """RETURNS (Tuple[str, bytes]): The name of a mutation, and the changed bytes."""
    names = list(MUTATIONS)
    weights = [4 if name in ("json", "msgpack") else 1 for name in names]
    (name,) = rng.choices(names, weights)
    return name, MUTATIONS[name](data, rng, others)
