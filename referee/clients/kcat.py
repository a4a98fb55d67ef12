"""kcat: the command line of librdkafka, as the system's packages have it (an older librdkafka, so older versions).

It cannot set timestamps, nor send an empty value beside a null one (-Z turns every empty value into a null).
"""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Sequence

from referee.clients.interface import READ_TIMEOUT_SECONDS, Headers, Read, Sent

# One line of numbers, then exactly as many bytes as it says.
_FORMAT = r"%p %o %T %K %S\n%k%s\n%h\n"


class Kcat:
    name = "kcat"
    codecs: tuple[str, ...] = ("none", "gzip", "snappy", "lz4", "zstd")

    def can_send(self, record: Sent) -> bool:
        texts = [record.key or b"", record.value or b"", *(value or b"" for _, value in record.headers)]
        return (
            record.timestamp_ms is None
            and record.key != b""
            and record.value != b""
            and all(value is not None for _, value in record.headers)
            and not any(byte in text for text in texts for byte in b"\n\t\0,")
        )

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none", partition: int = 0
    ) -> list[int]:
        for headers, alike in itertools.groupby(records, lambda record: record.headers):
            lines = b"".join(_line(record) for record in alike)
            options = [part for name, value in headers for part in ("-H", f"{name}={(value or b'').decode()}")]
            target = ["-t", topic, "-p", str(partition), "-z", codec, "-X", "acks=all"]
            run_kcat(bootstrap, "-P", *target, "-K", r"\t", "-Z", *options, stdin=lines)
        return []

    def read(self, bootstrap: str, topic: str, count: int, *, partition: int = 0) -> list[Read]:
        target = ["-t", topic, "-p", str(partition), "-o", "beginning", "-c", str(count), "-e", "-q"]
        return _parse(run_kcat(bootstrap, "-C", *target, "-f", _FORMAT))


def run_kcat(bootstrap: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run kcat to its end and give its standard output. Raises AssertionError holding its standard error."""
    done = subprocess.run(
        ["kcat", "-b", bootstrap, *arguments],
        input=stdin,
        capture_output=True,
        timeout=READ_TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"kcat {' '.join(arguments)}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def _line(record: Sent) -> bytes:
    key = b"" if record.key is None else record.key + b"\t"
    return key + (record.value or b"") + b"\n"


def _parse(output: bytes) -> list[Read]:
    records, position = [], 0
    while position < len(output):
        end = output.index(b"\n", position)
        partition, offset, timestamp_ms, key_bytes, value_bytes = map(int, output[position:end].split())
        key, position = _field(output, end + 1, key_bytes)
        value, position = _field(output, position, value_bytes)
        end = output.index(b"\n", position + 1)
        headers = _headers(output[position + 1 : end].decode())
        records.append(Read(partition, offset, timestamp_ms, key, value, headers))
        position = end + 1
    return records


def _field(output: bytes, position: int, size: int) -> tuple[bytes | None, int]:
    if size < 0:
        return None, position
    return output[position : position + size], position + size


def _headers(text: str) -> Headers:
    pairs = re.findall(r"([^,=]+)=([^,]*)", text)
    return tuple((name, None if value == "NULL" else value.encode()) for name, value in pairs)


CLIENT = Kcat()
