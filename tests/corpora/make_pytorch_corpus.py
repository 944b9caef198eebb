#!/usr/bin/env python3
"""Writes pytorch.json: PyTorch files, a few hundred bytes each, that are to be refused, with a part of the message, or
(as a check on the rest) accepted.

    python make_pytorch_corpus.py [OUT_FILE]        (default: pytorch.json beside this script)

Needs nothing but Python; archives and pickles are put together by hand, so that every number in them can lie. corpus.hpp
says how a case is written. The verdicts are those that formats of this kind call for, not recorded from the reader.
"""

import base64
import json
import struct
import sys
import zlib
from pathlib import Path

CASES = []
FIRST = {}
BIG = 0xFFFFFFFF


def case(name, data, message=None):
    """The first case of a kind is written whole, the others as what takes the place of a part of it."""
    base = FIRST.setdefault(name.split(":")[0], (name, data))
    row = {"name": name}
    if base[0] != name:
        before = common(base[1], data)
        after = common(base[1][before:][::-1], data[before:][::-1])
        row.update(base=base[0], at=before, cut=len(base[1]) - before - after)
        data = data[before : len(data) - after]
    row.update(bytes=base64.b64encode(data).decode(), accept=message is None)
    if message is not None:
        row.update(error="FormatError", message=message)
    CASES.append(row)


def common(a, b):
    """How many bytes two strings begin with in common."""
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


# --- archives


def entry(name, data=b"", **lies):
    return {"name": name.encode() if isinstance(name, str) else name, "data": data, **lies}


def archive(entries, comment=b"", prefix=b"", suffix=b"", zip64=None, **lies):
    """A ZIP archive. Of an entry, what is named in it takes the place of the truth, in the directory or (local_*) in the
    local header; of the archive, count, count_here, disk, first_disk, directory_size, directory_offset. `zip64` is a dict of such
    lies of its own, or {} for true records."""
    out, directory = bytearray(prefix), b""
    for e in entries:
        header, data, name = e.get("header", len(out)), e["data"], e["name"]
        truth = dict(flags=0x800, method=0, crc=zlib.crc32(data), csize=len(data), size=len(data), extra=b"")
        c = {k: e.get(k, v) for k, v in truth.items()}
        local = {k: e.get("local_" + k, 0 if k in ("crc", "csize", "size") and c["flags"] & 8 else c[k]) for k in truth}
        local["extra"] = e.get("local_extra", b"")
        local_name = e.get("local_name", name)
        out += e.get("local_mark", b"PK\3\4") + struct.pack(
            "<HHHIIIIHH", 20, local["flags"], local["method"], 0, local["crc"], local["csize"], local["size"],
            e.get("local_name_length", len(local_name)), e.get("local_extra_length", len(local["extra"])),
        )  # fmt: skip
        out += local_name + local["extra"] + data + e.get("after", b"")
        directory += e.get("mark", b"PK\1\2") + struct.pack(
            "<HHHHIIIIHHHHHII", 20, 20, c["flags"], c["method"], 0, c["crc"], c["csize"], c["size"],
            e.get("name_length", len(name)), e.get("extra_length", len(c["extra"])), 0, e.get("disk", 0), 0, 0, header,
        )  # fmt: skip
        directory += name + c["extra"]
    at = lies.get("directory_offset", len(out))
    size = lies.get("directory_size", len(directory))
    count = lies.get("count", len(entries))
    end_at = len(out) + len(directory)
    tail = b""
    if zip64 is not None:
        z = zip64
        tail += z.get("mark", b"PK\6\6") + struct.pack(
            "<QHHIIQQQQ", z.get("length", 44), 45, 45, z.get("disk", 0), z.get("first_disk", 0), z.get("count_here", z.get("count", count)),
            z.get("count", count), z.get("size", size), z.get("offset", at),
        )  # fmt: skip
        tail += z.get("between", b"")
        tail += b"PK\6\7" + struct.pack("<IQI", 0, z.get("record", end_at), z.get("disks", 1))
    tail += b"PK\5\6" + struct.pack(
        "<HHHHIIH", lies.get("disk", 0), lies.get("first_disk", 0), lies.get("count_here", count), lies.get("end_count", count),
        lies.get("end_size", size), lies.get("end_offset", at), lies.get("comment_length", len(comment)),
    )  # fmt: skip
    return bytes(out) + directory + tail + comment + suffix


# --- pickles


def text(words):
    words = words.encode() if isinstance(words, str) else words
    return b"X" + struct.pack("<I", len(words)) + words


def symbol(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def number(value):
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


FLOATS = symbol("torch", "FloatStorage")
REBUILD = symbol("torch._utils", "_rebuild_tensor_v2")
PARAMETER = symbol("torch._utils", "_rebuild_parameter")
ORDERED = symbol("collections", "OrderedDict")
HOOKS = ORDERED + b")R"


def storage(key="0", elements=6, kind=FLOATS, word=text("storage"), location=text("cpu")):
    key = text(key) if isinstance(key, str) else key
    elements = number(elements) if isinstance(elements, int) else elements
    return b"(" + word + kind + key + location + elements + b"tQ"


def tensor(size=(2, 3), stride=(3, 1), offset=0, of=None, more=b"", hooks=b"\x89" + HOOKS):
    size = numbers(size) if isinstance(size, tuple) else size
    stride = numbers(stride) if isinstance(stride, tuple) else stride
    return REBUILD + b"(" + (of or storage()) + number(offset) + size + stride + hooks + more + b"tR"


def state(*items):
    """A dict of these keys and values by turns."""
    return b"\x80\2}(" + b"".join(items) + b"u."


def pth(pickle, data=bytes(range(24)), more=(), version=b"3\n", **lies):
    entries = [entry("a/data.pkl", pickle), entry("a/data/0", data), entry("a/version", version), *more]
    return archive(entries, **lies)


GOOD = state(text("w"), tensor())


def with_pickle(name, pickle, message=None, **more):
    case("pickle: " + name, pth(pickle, **more), message)


def with_value(name, value, message=None, **more):
    with_pickle(name, state(text("w"), value), message, **more)


def make_zip_cases():
    def file(pickle_lies={}, data_lies={}, **lies):
        return archive(
            [entry("a/data.pkl", GOOD, **pickle_lies), entry("a/data/0", bytes(24), **data_lies), entry("a/version", b"3\n")],
            **lies,
        )

    def zipped(name, data, message=None):
        case("zip: " + name, data, message)

    def with_name(name):
        return archive([entry("a/data.pkl", GOOD), entry("a/data/0", bytes(24)), entry("a/version", b"3\n"), entry(name)])

    good = file()
    zipped("plain", good)
    zipped("comment", file(comment=b"made by hand"))
    zipped("comment with the mark of an end record in it", file(comment=b"PK\5\6 and no more than that, in a comment"))
    zipped("zip64 records", file(zip64={}))
    zipped("zip64 records, numbers left out beside them",
           file(zip64={}, count_here=0xFFFF, end_count=0xFFFF, end_size=BIG, end_offset=BIG))
    zip64_extra = struct.pack("<HHQQ", 1, 16, 24, 24)
    zipped("zip64 sizes of an entry", file(data_lies=dict(size=BIG, csize=BIG, extra=zip64_extra, local_crc=0, flags=0x808)))
    zipped("numbers after the bytes", file(data_lies=dict(flags=0x808, after=b"PK\7\x08" + bytes(12))))
    zipped("entries of today's versions",
           pth(GOOD, more=[entry("a/byteorder", b"little"), entry("a/.format_version", b"1"),
                           entry("a/.storage_alignment", b"64"), entry("a/.data/serialization_id", b"1" * 40)]))
    zipped("padding in a local header", file(data_lies=dict(local_extra=b"FB\4\0ZZZZ")))
    zipped("folders as entries", archive([entry("a/"), entry("a/data/"), entry("a/data.pkl", GOOD),
                                          entry("a/data/0", bytes(24)), entry("a/version", b"3\n")]))
    zipped("no CRC", file(dict(crc=0), dict(crc=0)))
    zipped("wrong CRC of a storage", file(data_lies=dict(crc=1)))

    zipped("empty", b"", "expected a PyTorch file (a ZIP archive), found an empty file")
    zipped("21 bytes", good[-21:], "found something else")
    zipped("text", b"not a model at all, and longer than an end record", "found something else")
    zipped("HTML", b"<!DOCTYPE html><html></html>", "an HTML page")
    zipped("GGUF", b"GGUF" + bytes(40), "a GGUF file")
    zipped("Git LFS", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS")
    zipped("before 2020", b"\x80\2\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + bytes(30), "a PyTorch checkpoint of before 2020")
    zipped("cut short", good[:-30], "found none: a file cut short")
    zipped("a byte too many", file(suffix=b"\0"), "found none: a file cut short, or followed by other bytes")
    zipped("length of the comment", file(comment_length=1), "a ZIP archive with its end record")
    zipped("bytes before it", b"MZ" + good, "end record: expected a directory that ends where")
    zipped("no entries", archive([]), "expected a PyTorch file, with data.pkl in it")

    zipped("one entry too many", file(count=4), "as many entries as there is room for, found 4")
    zipped("one entry too few", file(count=2), "directory: expected it to end after 2 entries")
    zipped("entries on another disk", file(count_here=2), "found a part of one in several")
    zipped("disk 1", file(disk=1), "found a part of one in several")
    zipped("directory on disk 1", file(first_disk=1), "found a part of one in several")
    zipped("directory longer", file(directory_size=len(good)), "a directory that ends where")
    zipped("directory shorter", file(directory_size=100), "a directory that ends where")
    zipped("directory later", file(directory_offset=500), "a directory that ends where")
    zipped("directory far away", file(directory_offset=BIG - 1), "a directory that ends where")
    zipped("more entries than there is room for", file(count=60000), "as many entries as there is room for")
    zipped("numbers left out, no zip64", file(end_count=0xFFFF, count_here=0xFFFF), "a zip64 record beside it")
    zipped("size left out, no zip64", file(end_size=BIG), "a zip64 record beside it")
    zipped("offset left out, no zip64", file(end_offset=BIG), "a zip64 record beside it")

    zipped("zip64 locator outside", file(zip64=dict(record=2**40)), "zip64 locator: expected a record before it")
    zipped("zip64 locator at the end of numbers", file(zip64=dict(record=2**64 - 1)), "zip64 locator: expected a record")
    zipped("zip64 locator to a record that ends past it", file(zip64=dict(record=len(file(zip64={})) - 22 - 20 - 55)),
           "zip64 locator: expected a record before it, of 56 bytes")
    zipped("zip64 locator and nothing before it", b"PK\6\7" + struct.pack("<IQI", 0, 0, 1) + archive([], directory_offset=20),
           "zip64 locator: expected a record before it, of 56 bytes, found one at byte 0")
    zipped("zip64 locator elsewhere", file(zip64=dict(record=0)), "zip64 end record: expected its mark")
    zipped("zip64 of several disks", file(zip64=dict(disks=2)), "found a part of one in several")
    zipped("zip64 disk 1", file(zip64=dict(disk=1)), "found a part of one in several")
    zipped("zip64 directory on disk 1", file(zip64=dict(first_disk=1)), "found a part of one in several")
    zipped("zip64 entries on another disk", file(zip64=dict(count_here=2), count_here=2), "found a part of one in several")
    zipped("zip64 mark", file(zip64=dict(mark=b"PK\6\5")), "zip64 end record: expected its mark")
    zipped("zip64 length", file(zip64=dict(length=45)), "a record that ends where its locator begins")
    zipped("zip64 length that wraps", file(zip64=dict(length=2**64 - 12)), "a record that ends where its locator begins")
    zipped("zip64 with room behind it", file(zip64=dict(between=bytes(8))), "a record that ends where its locator begins")
    zipped("zip64 count against the end record", file(zip64=dict(count=4)), "the numbers of the zip64 record")
    zipped("end record's count against zip64", file(zip64={}, end_count=2), "the numbers of the zip64 record")
    zipped("end record's count here against zip64", file(zip64={}, count_here=2), "the numbers of the zip64 record")
    zipped("end record's offset against zip64", file(zip64={}, end_offset=5), "the numbers of the zip64 record")
    zipped("zip64 size against the end record", file(zip64=dict(size=4)), "the numbers of the zip64 record")
    zipped("zip64 offset that wraps", file(zip64=dict(offset=2**64 - 1), end_offset=BIG), "a directory that ends where")
    zipped("zip64 a million entries", file(zip64=dict(count=10**6), count_here=0xFFFF, end_count=0xFFFF),
           "at most 100000 entries, found 1000000")
    for count, message in (10**5, "as many entries as there is room for, found 100000"), (10**5 + 1, "at most 100000 entries"):
        zipped(f"zip64 {count} entries", file(zip64=dict(count=count), count_here=0xFFFF, end_count=0xFFFF), message)
    zipped("zip64 2^64 entries", file(zip64=dict(count=2**64 - 1), count_here=0xFFFF, end_count=0xFFFF), "at most 100000")

    zipped("mark of an entry", file(dict(mark=b"PK\1\1")), "directory: expected the mark of an entry")
    zipped("name past the directory", file(dict(name_length=60000)), "directory: expected 60000 more bytes")
    zipped("extra fields past the directory", file(dict(extra_length=60000)), "directory: expected 60000 more bytes")
    zipped("extra field past the fields", file(dict(extra=b"\1\0\x10\0ab")), "extra fields: expected 16 more bytes")
    zipped("half an extra field", file(dict(extra=b"\1\0\x10")), "extra fields: expected 2 more bytes")
    zipped("two zip64 fields", file(dict(extra=b"\1\0\0\0\1\0\0\0")), "one zip64 extra field")
    zipped("zip64 field missing", file(data_lies=dict(size=BIG, csize=BIG)), "zip64 extra field: expected 8 more bytes")
    zipped("zip64 field too short", file(data_lies=dict(size=BIG, csize=BIG, extra=struct.pack("<HHQ", 1, 8, 24))),
           "zip64 extra field: expected 8 more bytes at byte 8")
    zipped("zip64 size past the end", file(data_lies=dict(
        size=BIG, csize=BIG, extra=struct.pack("<HHQQ", 1, 16, 2**63, 2**63), flags=0x808)), "bytes before the directory")
    zipped("zip64 size that wraps", file(data_lies=dict(
        size=BIG, csize=BIG, extra=struct.pack("<HHQQ", 1, 16, 2**64 - 1, 2**64 - 1), flags=0x808)), "bytes before the directory")
    zipped("zip64 offset outside", file(data_lies=dict(header=BIG, extra=struct.pack("<HHQ", 1, 8, 2**40))), "a local header before")

    zipped("name: with a space", with_name("a/b c"))
    for what, name in {"up": "a/../b", "up first": "../a", "absolute": "/a/b", "backslash": "a\\b", "NUL": "a/b\0c",
                       "newline": "a/b\nc", "here": "a/./b", "nothing between": "a//b", "empty": "", "delete": "a/\x7f"}.items():  # fmt: skip
        zipped("name: " + what, with_name(name), "expected a relative path of plain names")
    zipped("name twice", with_name("a/data/0"), 'entry "a/data/0": expected one entry of that name')
    zipped("two pickles", with_name("a/data.pkl"), 'entry "a/data.pkl": expected one entry of that name')
    zipped("outside of the folder", with_name("b/data.pkl"), 'entry "b/data.pkl": expected it in the folder "a/"')
    zipped("beside the folder", with_name("data.pkl"), 'entry "data.pkl": expected it in the folder "a/"')
    zipped("no folder", archive([entry("data.pkl", GOOD), entry("version", b"3\n")]), "expected a folder")

    zipped("other name in the local header", file(dict(local_name=b"a/data.pkk")), "the same name in its local header")
    zipped("longer name in the local header", file(dict(local_name=b"a/data.pkl.bak")), "the same name in its local header")
    zipped("shorter name in the local header", file(dict(local_name_length=3)), "the same name in its local header")
    for what, lies in {"flags": dict(local_flags=0x801), "method": dict(local_method=8), "size": dict(local_size=25),
                       "stored size": dict(local_csize=23), "CRC": dict(local_crc=5), "size 0": dict(local_size=0)}.items():  # fmt: skip
        zipped(what + " in the local header", file(data_lies=lies), "the same flags, method, size and CRC in its local header")
    zipped("mark of a local header", file(data_lies=dict(local_mark=b"PK\3\5")), "a local header at byte")
    zipped("local header past the directory", file(data_lies=dict(header=5000)), "a local header before the directory")
    zipped("local header in the directory", file(data_lies=dict(header=400)), "a local header before the directory")
    zipped("local header of another", file(data_lies=dict(header=0)), "the same name in its local header")
    zipped("local extra field past the directory", file(data_lies=dict(local_extra_length=60000)), "bytes before the directory")
    inner = archive([entry("a/data/0", bytes(24))])[: 30 + 8 + 24]
    zipped("overlap", archive([entry("a/data.pkl", GOOD), entry("a/data/1", inner), entry("a/version", b"3\n"),
                               entry("a/data/0", bytes(24), header=30 + 10 + len(GOOD) + 30 + 8)]),
           "an entry with bytes of its own")  # fmt: skip
    zipped("longer than it is", file(data_lies=dict(size=60, csize=60, local_size=60, local_csize=60)), "an overlap with")
    zipped("longer than it is by one", file(data_lies=dict(size=25, csize=25)), "an overlap with")
    zipped("one byte of the directory", archive([entry("a/data.pkl", GOOD), entry("a/version", b"3\n", local_extra_length=1)]),
           "bytes before the directory")
    zipped("past the end", file(data_lies=dict(size=6000, csize=6000, local_size=6000, local_csize=6000)), "bytes before the directory")
    zipped("stored size another", file(data_lies=dict(csize=23)), "as many bytes stored as it has")
    zipped("deflated", file(dict(method=8)), "found a deflated one")
    zipped("compressed by bzip2", file(dict(method=12)), "one compressed by method 12")
    zipped("encrypted", file(dict(flags=0x801)), "found an encrypted one")
    zipped("strongly encrypted", file(dict(flags=0x840)), "found an encrypted one")
    zipped("encrypted directory", file(dict(flags=0x2800)), "found an encrypted one")
    zipped("patch", file(dict(flags=0x820)), "found a patch")
    zipped("on another disk", file(data_lies=dict(disk=1)), "an entry on another disk")
    zipped("wrong CRC of the pickle", file(dict(crc=1)), 'entry "a/data.pkl": expected bytes with the CRC')

    zipped("no data.pkl", archive([entry("a/version", b"3\n")]), "expected a PyTorch file, with data.pkl in it")
    zipped("no version", archive([entry("a/data.pkl", GOOD)]), 'entry "version": expected "3", found none')
    zipped("version 4", pth(GOOD, version=b"4\n"), 'entry "version": expected "3", found "4"')
    zipped("version 31", pth(GOOD, version=b"31\n"), 'entry "version": expected "3", found "31"')
    zipped("version of many bytes", pth(GOOD, version=b"3" * 65), "at most 64 bytes")
    zipped("big-endian", pth(GOOD, more=[entry("a/byteorder", b"big")]), 'entry "byteorder": expected "little", found "big"')
    zipped("format version 2", pth(GOOD, more=[entry("a/.format_version", b"2")]), 'entry ".format_version": expected "1"')
    zipped("TorchScript constants", pth(GOOD, more=[entry("a/constants.pkl", b"")]), "a TorchScript program")
    zipped("TorchScript code", pth(GOOD, more=[entry("a/code/x.py", b"")]), "a TorchScript program")


def make_pickle_cases():
    metadata = text("_metadata") + HOOKS + b"(" + text("") + b"}" + text("version") + b"K\1su"
    good = text("w") + tensor()
    with_pickle("plain", GOOD)
    with_pickle("no tensors", b"\x80\2}.")
    with_pickle("OrderedDict with metadata", b"\x80\2" + HOOKS + b"(" + good + b"u}" + metadata + b"sb.")
    every = (b"](N\x88\x89G" + bytes(8) + b"e", b"]Na", b"N\x85", b"K\1K\2\x86", b"K\1M\0\1J\0\0\1\0\x87", b"(}]t", b")")
    values = b"".join(text(str(i)) + value for i, value in enumerate(every))
    with_pickle("metadata of every kind", b"\x80\2" + HOOKS + b"(" + good + b"u}(" + values + b"ub.")
    with_pickle("one item at a time", b"\x80\2}" + good + b"s.")
    with_pickle("remembered values", state(text("w") + b"q\0", tensor() + b"r\xff\xff\xff\xff", text("x"), b"j\xff\xff\xff\xff"))
    with_value("parameter", PARAMETER + b"(" + tensor() + b"\x88" + HOOKS + b"tR")
    with_value("hooks that are None", tensor(hooks=b"\x89N"))
    with_value("long numbers", tensor(of=storage(elements=b"\x8a\1\6")))
    with_value("a long number of no bytes is 0", tensor(of=storage(elements=b"\x8a\0"), size=(0,), stride=(1,)), data=b"")
    with_value("two-byte numbers", tensor(of=storage(elements=b"M\6\0")))
    with_value("transposed", tensor((3, 2), (1, 3)))
    with_value("strides of single rows mean nothing", tensor((1, 6), (2**62, 1)))
    with_value("no dimensions", tensor((), (), 5))
    with_value("no elements", tensor((0, 2**40), (1, 1), 5))
    with_pickle("one storage, two tensors", state(text("w"), tensor(), text("v"), tensor((6,), (1,))))

    with_pickle("empty", b"", "pickle: expected 1 more bytes at byte 0")
    with_pickle("no protocol", b"}.", "opcode 0x7d (EMPTY_DICT) at byte 0: expected PROTO 2 first")
    for protocol in (0, 1, 3, 4, 5):
        with_pickle(f"protocol {protocol}", b"\x80" + bytes([protocol]) + GOOD[2:], f"expected protocol 2, found {protocol}")
    with_pickle("no STOP", GOOD[:-1], "expected 1 more bytes")
    with_pickle("bytes after STOP", GOOD + b".", "(STOP) at byte " + str(len(GOOD) - 1) + ": expected the pickle to end here, found 1")
    with_pickle("nothing at STOP", b"\x80\2.", "expected one value left on the stack, found 0")
    with_pickle("two values at STOP", b"\x80\2}}.", "expected one value left on the stack, found 2")
    with_pickle("a mark at STOP", b"\x80\2}(.", "expected one value left on the stack")
    for code, name in {0x81: "NEWOBJ", 0x93: "STACK_GLOBAL", 0x69: "INST", 0x6F: "OBJ", 0x94: "MEMOIZE", 0x92: "NEWOBJ_EX",
                       0x8F: "EMPTY_SET", 0x55: "SHORT_BINSTRING", 0x95: "FRAME", 0x82: "EXT1", 0x8C: "SHORT_BINUNICODE"}.items():  # fmt: skip
        with_pickle(name, b"\x80\2}" + bytes([code]) + b"\0.", f"opcode 0x{code:02x} ({name}) at byte 3: expected an opcode of")
    for code in (0x00, 0x30, 0x32, 0x50, 0xFF):
        with_pickle(f"opcode {code:#04x}", b"\x80\2}" + bytes([code]) + b".", f"opcode 0x{code:02x} at byte 3: expected an opcode of")

    for module, name in (("os", "system"), ("posix", "system"), ("builtins", "eval"), ("__builtin__", "exec"),
                         ("subprocess", "Popen"), ("torch", "load"), ("torch.hub", "load"), ("numpy.core.multiarray", "_reconstruct"),
                         ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_qtensor"), ("torch", "QInt8Storage"),
                         ("torch.storage", "UntypedStorage"), ("collections", "OrderedDict "), ("Collections", "OrderedDict"),
                         ("", "collections.OrderedDict"), ("torch", "_utils._rebuild_tensor_v2"), ("", "")):  # fmt: skip
        with_pickle(f"name {module}.{name}", b"\x80\2" + symbol(module, name) + text("true") + b"\x85R.",
                    "(GLOBAL) at byte 2: expected a name that a plain state dict needs")  # fmt: skip
    with_pickle("a name without an end", b"\x80\2ccollections", "pickle: expected 1 more bytes")
    with_pickle("a name of 256 bytes", b"\x80\2c" + b"x" * 256 + b"\n\n.", "a name that a plain state dict needs")
    with_pickle("a name of 257 bytes", b"\x80\2c" + b"x" * 257 + b"\n\n.", "a name of at most 256 bytes")

    with_pickle("nothing remembered", b"\x80\2h\0.", "a value remembered as number 0, found none")
    with_pickle("nothing remembered under a large number", b"\x80\2j\xff\xff\xff\xff.", "a value remembered as number 4294967295")
    with_pickle("remember nothing", b"\x80\2q\0.", "(BINPUT) at byte 2: expected 1 values on the stack, found 0")
    with_pickle("tuple without a mark", b"\x80\2t.", "a mark on the stack, found none")
    with_pickle("tuple of too few", b"\x80\2K\1\x86.", "expected 2 values on the stack, found 1")
    with_pickle("tuple across a mark", b"\x80\2K\1(\x85.", "expected 1 values on the stack, found 0")
    with_pickle("items without a dict", b"\x80\2(" + good + b"u.", "a dict to set items of, found nothing")
    with_pickle("items of a list", b"\x80\2](" + good + b"u.", "a dict to set items of, found a list")
    with_pickle("item of a tuple", b"\x80\2)" + good + b"s.", "a dict to set items of, found a tuple")
    with_pickle("item of a tensor", b"\x80\2" + tensor() + good + b"s.", "a dict to set items of, found a tensor or parameter")
    with_pickle("items of a number", b"\x80\2K\1(" + good + b"u.", "a dict to set items of, found an integer")
    with_pickle("a key without a value", b"\x80\2}(" + good + text("x") + b"u.", "a value for each key")
    with_pickle("items without a mark", b"\x80\2}" + good + b"u.", "a mark on the stack, found none")
    for what, key in {"a number": b"K\1", "a list": b"]", "a tuple": b")", "a dict": b"}", "nothing": b"N"}.items():
        with_pickle("a key that is " + what, state(key, tensor()), "expected a string as key")
    with_pickle("a key twice", state(text("w"), tensor(), text("w"), tensor()), 'tensor "w": expected each name once')
    with_pickle("append to a dict", b"\x80\2}Na.", "a list to append to, found a dict")
    with_pickle("append to nothing", b"\x80\2Na.", "a list to append to, found nothing")
    with_pickle("append across a mark", b"\x80\2](Na.", "a list to append to, found nothing")
    with_pickle("append to a tuple", b"\x80\2)(NNe.", "a list to append to, found a tuple")
    with_pickle("attributes of a tensor", b"\x80\2" + tensor() + b"}b.", "a dict to set attributes of, found a tensor")
    with_pickle("attributes of nothing", b"\x80\2}b.", "a dict to set attributes of, found nothing")
    with_pickle("call a text", b"\x80\2" + text("os.system") + b")R.", "to call, found a string")
    with_pickle("call a storage", b"\x80\2" + FLOATS + b")R.", 'to call, found "torch.FloatStorage"')
    with_pickle("call with a list", b"\x80\2" + REBUILD + b"]R.", "a tuple of arguments, found a list")
    with_pickle("call nothing", b"\x80\2)R.", "expected 1 values on the stack")
    with_pickle("OrderedDict with arguments", b"\x80\2" + ORDERED + b"]\x85R.", "an OrderedDict without arguments")
    with_pickle("reference to nothing", b"\x80\2Q.", "expected 1 values on the stack")
    with_pickle("text past the end", b"\x80\2X\x10\0\0\0abc.", "pickle: expected 16 more bytes")
    with_pickle("text of 4 GB", b"\x80\2X\xff\xff\xff\xffabc.", "pickle: expected 4294967295 more bytes")
    with_pickle("number of 9 bytes", b"\x80\2\x8a\x09" + bytes(9) + b".", "an integer of 64 bits, found 9 bytes")
    with_pickle("number past the end", b"\x80\2\x8a\x08\0.", "pickle: expected 8 more bytes")

    for what, top in {"a list": b"]", "a tuple": b")", "None": b"N", "a tensor or parameter": tensor(), "an integer": b"K\1",
                      '\\"collections.OrderedDict\\"': ORDERED}.items():  # fmt: skip
        with_pickle("top: " + what, b"\x80\2" + top + b".", "expected a dict of tensors, found " + what.replace("\\", ""))
    with_pickle("a dict within itself", b"\x80\2}q\0" + text("w") + b"h\0s.", "expected a tensor, found a dict")
    with_value("state dict within", b"}" + good + b"s", 'tensor "w": expected a tensor, found a dict: no plain state dict')
    with_value("epoch", b"K\3", "expected a tensor, found an integer: no plain state dict")
    with_value("five arguments", REBUILD + b"(" + storage() + b"K\0" + numbers((6,)) + numbers((1,)) + b"\x89tR", "expected 6 arguments")
    with_value("seven arguments", tensor(more=b"N"), "expected 6 arguments of torch._utils._rebuild_tensor_v2, found 7")
    with_value("parameter of two arguments", PARAMETER + tensor() + b"\x88\x86R", "expected 3 arguments")
    parameter = PARAMETER + tensor() + b"\x88N\x87R"
    with_value("parameter of a parameter", PARAMETER + parameter + b"\x88N\x87R", "expected a tensor, found a tensor or parameter")
    with_value("parameter of a dict", PARAMETER + b"}\x88N\x87R", "expected a tensor, found a dict")
    with_value("a tensor without a storage", tensor(of=b"N"), "expected a storage: ('storage', type, key, location, elements), found None")
    with_value("reference that is no tuple", tensor(of=text("0") + b"Q"), "expected a storage")
    with_value("reference of four", tensor(of=b"(" + text("storage") + FLOATS + text("0") + b"NtQ"), "found another reference")
    five = text("storage") + FLOATS + text("0") + text("cpu") + number(6)
    with_value("reference of six", tensor(of=b"(" + five + b"NtQ"), "found another reference")
    with_value("reference to a list", tensor(of=b"](" + five + b"eQ"), "found another reference")
    with_value("reference to a module", tensor(of=storage(word=text("module"))), "found another reference")
    with_value("reference without a word", tensor(of=storage(word=b"N")), "found another reference")
    with_value("type as text", tensor(of=storage(kind=text("torch.FloatStorage"))), "found another reference")
    with_value("type that is none", tensor(of=storage(kind=ORDERED)), "found another reference")
    with_value("key that is a number", tensor(of=storage(b"K\0")), "found another reference")
    for key in ("", "../0", "0/../0", "-0", "0x0", "1" * 21, " 0"):
        with_value(f"key {key!r}", tensor(of=storage(key)), "a storage whose key is a number")
    for key in ("1", "00", "18446744073709551616"):
        with_value(f"key {key}", tensor(of=storage(key)), f'an entry "data/{key}", found none')
    for elements in (5, 7, 0, 2**62, 2**62 + 6, 2**63 - 1):
        with_value(f"{elements} elements", tensor(of=storage(elements=elements)), "storage 0 to have the bytes of")
    with_value("-6 elements", tensor(of=storage(elements=-6)), "a number of elements of at least 0, found -6")
    with_value("elements as text", tensor(of=storage(elements=text("6"))), "a number of elements of at least 0, found no integer")
    with_value("elements as boolean", tensor(of=storage(elements=b"\x88")), "a number of elements of at least 0, found no integer")
    halves = storage(kind=symbol("torch", "HalfStorage"), elements=12)
    with_pickle("a storage of two types", state(text("w"), tensor(), text("v"), tensor(of=halves)), "one type of storage 0")
    with_value("storage cut short", tensor(), "storage 0 to have the bytes of 6 elements of F32, found 23", data=bytes(23))

    with_value("sizes in a list", tensor(b"]"), "at most 8 sizes, found no tuple")
    with_value("strides in a list", tensor(stride=b"]"), "at most 8 strides, found no tuple")
    with_value("fewer strides", tensor((2, 3), (1,)), "as many strides as sizes")
    with_value("more strides", tensor((6,), (1, 1)), "as many strides as sizes")
    with_value("nine dimensions", tensor((1,) * 9, (1,) * 9), "at most 8 sizes, found 9")
    with_value("negative size", tensor((-1, 3)), "sizes of at least 0, found -1")
    with_value("negative stride", tensor((2, 3), (-3, 1), 3), "strides of at least 0, found -3")
    with_value("negative offset", tensor(offset=-1), "an offset of at least 0, found -1")
    with_value("size as text", tensor(text("2") + text("3") + b"\x86"), "sizes of at least 0, found no integer")
    with_value("size as boolean", tensor(b"\x88\x88\x86"), "sizes of at least 0, found no integer")
    with_value("past the end by one", tensor(offset=1), "elements within the 6 of its storage")
    with_value("offset past the end", tensor((), (), 6), "elements within the 6 of its storage")
    with_value("offset far away", tensor((), (), 2**63 - 1), "elements within the 6 of its storage")
    with_value("stride past the end", tensor((2, 3), (4, 1)), "elements within the 6 of its storage")
    with_value("stride that overflows", tensor((3, 2), (2**63 - 1, 1)), "elements within the 6 of its storage")
    with_value("strides whose sum overflows", tensor((2, 2, 1), (2**63 - 1, 2**63 - 1, 1), 2), "elements within the 6 of its storage")
    with_value("size that overflows", tensor((2**62, 4), (0, 0)), "no more elements than the 6 of its storage")
    with_value("size that overflows beside a zero", tensor((0, 2**62, 4), (0, 0, 0)), "no more elements than the 6")
    with_value("expanded", tensor((100, 3), (0, 1)), "no more elements than the 6 of its storage, found [100, 3]")


def main():
    make_zip_cases()
    make_pickle_cases()
    names = [row["name"] for row in CASES]
    assert len(set(names)) == len(names)
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("pytorch.json")
    out.write_text("[\n" + ",\n".join(json.dumps(row) for row in CASES) + "\n]\n")
    print(len(CASES), "cases,", sum(row["accept"] for row in CASES), "of them accepted")


if __name__ == "__main__":
    main()
