"""Records, and the events that they become."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import mmap
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfdns_fast import Normalizer

GOOD = b'{"QueryName":"www.example.com.","QueryType":1,"SourceIP":"192.0.2.7","Timestamp":1657233726}\n'

#: Lines that are good, bad, blank or have problems; the last line has no newline.
MIXED = GOOD + b"oops\n" + b'{"QueryType":-1}\n' + b" \r\n" + b'{"ColoCode":"AMS"}{"ColoCode":"CDG"}[1]\n' + GOOD + b"{"

#: Maximum number of bytes of a reject in `raw`.
RAW_LIMIT = 65536

#: A record with every field that schema "sekoia" reads.
FULL_RECORD = (
    b'{"ColoCode":"AMS","EDNSSubnet":"198.51.100.0","EDNSSubnetLength":24,"QueryName":"www.example.co.uk.","QueryType":28,'
    b'"ResponseCached":true,"ResponseCode":3,"SourceIP":"192.0.2.1","Timestamp":1657233726}'
)


def record(number: int) -> bytes:
    """Return a line whose name holds a number."""
    return b'{"QueryName":"n%d.example.com","Timestamp":1653557034}\n' % number


def records(count: int) -> bytes:
    return b"".join(map(record, range(count)))


def numbers(output: bytes) -> list[int]:
    """Return the numbers of the records that became these events."""
    return [int(json.loads(line)["dns"]["question"]["name"][1:].split(".")[0]) for line in output.split(b"\n")[:-1]]


def _foreign() -> dict[str, bytes]:
    text = b'{"QueryName":"www.example.com","Timestamp":1}\n' * 3
    data = {
        "format.gzip": gzip.compress(text),
        "format.xz": lzma.compress(text),
        "format.bzip2": bz2.compress(text),
        "format.zlib": zlib.compress(text),
        # The next three are the text "a" with a newline.
        "format.zstd": bytes.fromhex("28b52ffd0458110000610a55c8cc1e"),
        "format.lz4": bytes.fromhex("04224d186440a702000080610a0000000085954d99"),
        "format.snappy": bytes.fromhex("ff060000734e61507059010600007bd19d04610a"),
        "format.parquet": b"PAR1\x15\x04\x15\x10\x15\x14",
        "format.avro": b"Obj\x01\x04\x14avro.codec",
        "format.utf16": b"\xff\xfe" + text.decode().encode("utf-16-le"),
        "format.utf32": b"\0\0\xfe\xff" + text.decode().encode("utf-32-be"),
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("a.ndjson"), text)
    return {**data, "format.zip": archive.getvalue()}


#: Code -> the first bytes of an input in an unsupported format.
FOREIGN = _foreign()


def containers(value: Any) -> Iterator[Any]:
    """Yield every dict and list within a value, including the value itself."""
    if isinstance(value, (dict, list)):
        yield value
        for child in value.values() if isinstance(value, dict) else value:
            yield from containers(child)


def memory_mapped(data: bytes, folder: Path) -> mmap.mmap:
    """Write data to a file and map it."""
    (folder / "input").write_bytes(data)
    with open(folder / "input", "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def event_of(implementation: Any, data: bytes, schema: Any, **options: Any) -> dict[str, Any]:
    """Convert one record and check that all writers agree on its event."""
    # Imported here, because it reads all golden cases and most importers of this module need none.
    from golden import flatten

    (event,) = implementation.to_dicts(data, schema, **options).output
    line = implementation.to_ndjson(data, schema, **options).output
    assert line == json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if implementation.name == "native":
        (built,) = Normalizer(schema, **options).iter_dicts(data)
        assert list(flatten(built).items()) == list(flatten(event).items())
    if not options:
        parsed = implementation.parse(data, schema)
        assert list(flatten(parsed).items()) == list(flatten(event).items())
    return event


#: Records with lists, some of whose elements are omitted.
LISTS = (
    b'{"ResolvedIPs":["192.0.2.1","x","2001:db8::1"],"RData":[{"type":"1"},{"data":"\\u0000\xc3\xa9"},{}],'
    b'"MatchedCategoryIDs":[1,"2",-3,true],"QueryType":65353,"Datetime":"2024-01-02T03:04:05.678901234Z"}\n'
    b'{"ResolvedIPs":[],"RData":[],"MatchedCategoryIDs":null,"Timestamp":"1677-01-01T00:00:00Z"}\n'
)

#: Records with every field of every dataset, and records with problems.
DATASET_RECORDS = [
    '{"ColoCode":"MRS","EDNSSubnet":"1.128.0.0","EDNSSubnetLength":0,"QueryName":"www.example.co.uk.","QueryType":28,'
    '"ResponseCached":false,"ResponseCode":3,"SourceIP":"2001:db8::1","Timestamp":"2022-05-26T09:23:54Z"}',
    '{"ClientResponseCode":0,"ClusterID":"C","ColoCode":"SFO","EDNSSubnet":"67.43.156.0","EDNSSubnetLength":24,'
    '"QueryDO":true,"QueryName":"example.com","QueryRD":true,"QuerySize":60,"QueryTCP":false,"QueryType":65280,'
    '"ResponseCached":true,"ResponseCachedStale":false,"ResponseReason":"success","SourceIP":"67.43.156.2",'
    '"Timestamp":1657233726004000000,"UpstreamIP":"81.2.69.144","UpstreamResponseCode":0,"UpstreamResponseTimeMs":30}',
    '{"ApplicationID":0,"ColoCode":"ORD","ColoID":14,"Datetime":"1683067793000000001","DeviceID":"d","DeviceName":"vm1",'
    '"DstIP":"89.160.20.129","DstPort":443,"Email":"user@example.com","Location":"default","LocationID":"l",'
    '"MatchedCategoryIDs":[7,163],"MatchedCategoryNames":["Photography","Weather"],"Policy":"p","PolicyID":"1412",'
    '"PolicyName":"n","Protocol":"https","QueryCategoryIDs":[26],"QueryCategoryNames":["Technology"],"QueryName":".",'
    '"QueryNameReversed":"com","QuerySize":48,"QueryType":1,"RCode":0,"RData":[{"type":"1","data":"CHNl"}],'
    '"ResolvedIPs":["67.43.156.1","67.43.156.2"],"ResolverDecision":"allowedOnNoPolicyMatch","SrcIP":"67.43.156.2",'
    '"SrcPort":0,"TimeZone":"UTC","TimeZoneInferredMethod":"fromLocalTime","UserID":"u"}',
    '{"QueryName":1,"QueryType":-1,"SourceIP":"x","Timestamp":"never","ResolvedIPs":["x"],"QuerySize":"y"}',
    "{}",
]
