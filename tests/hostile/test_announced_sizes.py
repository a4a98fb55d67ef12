"""Known ways to have a broker of Kafka's protocol take memory for what is only announced, of every API that there is.

A frame is small whatever it says of itself: nothing may be taken for elements, tagged fields or decompressed bytes that
have not come.
"""

from __future__ import annotations

import tracemalloc
import zlib
from pathlib import Path

import pytest

from odradek.protocol.codec import decode, encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.push_telemetry import PushTelemetryRequest, PushTelemetryResponse
from odradek.protocol.primitives import ProtocolError
from odradek_broker.apis import Api, load_apis
from tests.server.served_broker import serving

MOST_BYTES = 1_000_000
"""Of Python's memory that one such frame may take for a moment."""
HUGE_VARINT, HUGE_INT32 = b"\xff\xff\xff\xff\x0f", b"\x7f\xff\xff\xff"
GZIP = 1


APIS = list(load_apis().values())
FLEXIBLE = [api for api in APIS if api.request.FLEXIBLE is not None and api.versions[-1] >= api.request.FLEXIBLE]


def peak_bytes(api: Api, body: bytes, version: int) -> int:
    """Python's memory at the most, while a request of that body is refused or read."""
    tracemalloc.start()
    try:
        decode(api.request, memoryview(body), version)
    except ProtocolError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize("api", FLEXIBLE, ids=lambda api: api.name)
def test_cve_2026_111115_tagged_fields_that_are_only_announced_take_nothing(api: Api) -> None:
    version = api.versions[-1]
    body = encode(api.request(), version)
    assert body[-1] == 0, "it ends with the number of its tagged fields"
    for end in (HUGE_VARINT, b"\xff\xff\x7f", HUGE_VARINT + b"\x01" * 1000):
        with pytest.raises(ProtocolError):
            decode(api.request, memoryview(body[:-1] + end), version)
        assert peak_bytes(api, body[:-1] + end, version) < MOST_BYTES


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_cve_2026_111108_elements_that_are_only_announced_take_nothing(api: Api) -> None:
    """Be it the first array of a request or one behind that: all beginnings of an empty one go before."""
    for version in {api.versions[0], api.versions[-1]}:
        body = encode(api.request(), version)
        for end in range(len(body)):
            for size in (HUGE_VARINT, HUGE_INT32):
                assert peak_bytes(api, body[:end] + size + b"\x00" * 64, version) < MOST_BYTES


async def test_cve_2026_111073_metrics_that_are_pushed_are_never_decompressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone: list[object] = []
    monkeypatch.setattr(zlib, "decompressobj", lambda *words: undone.append(words))
    monkeypatch.setattr(zlib, "decompress", lambda *words: undone.append(words))
    compressor = zlib.compressobj(9, wbits=31)
    bomb = compressor.compress(bytes(20_000_000)) + compressor.flush()
    assert len(bomb) < 30_000
    async with serving(tmp_path) as served:
        peer = await served.connect()
        pushed = PushTelemetryRequest(b"\x01" * 16, 0, False, GZIP, bomb)
        answer = await peer.ask(pushed, PushTelemetryResponse, 0)
        assert answer.error_code == ErrorCode.UNKNOWN_SUBSCRIPTION_ID
        assert await peer.is_answered()
    assert not undone
