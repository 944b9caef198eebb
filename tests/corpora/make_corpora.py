#!/usr/bin/env python3
"""Writes the corpora beside it: inputs to every parser, with what is to become of each.

    python3 make_corpora.py

One file a parser, a list of cases: {"name", "text" (or "bytes", in base64), "accept"}, and of one that is refused "error",
the kind of error, and "message", a part of what is said. With "base", the text stands in that of the case so named, in place
of the "cut" bytes at byte "at". Needs nothing but Python's standard library (3.9 or later).

Numbers before names are those of the list in which the rules of safetensors were collected, and "stricter" marks what the
reference implementation takes and this library does not.
"""
import base64
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent


def as_bytes(data):
    return data.encode() if isinstance(data, str) else data


class Corpus:
    """`good` names the case that the others are told by their difference from, where that is shorter."""

    def __init__(self, name, good=None):
        self.name, self.good, self.rows, self.cases = name, good, [], {}

    def accept(self, name, data):
        self.add(name, data, {"accept": True})

    def refuse(self, name, data, message, error="FormatError"):
        self.add(name, data, {"accept": False, "error": error, "message": message})

    def unfit(self, name, data, message):
        self.refuse(name, data, message, "ModelError")

    def add(self, name, data, verdict):
        data = as_bytes(data)
        assert name not in self.cases, name
        row = {"name": name}
        piece = data
        if self.good in self.cases:
            base = self.cases[self.good]
            shared = min(len(base), len(data))
            begin = next((i for i in range(shared) if base[i] != data[i]), shared)
            end = next((i for i in range(shared - begin) if base[-1 - i] != data[-1 - i]), shared - begin)
            if begin + end > 60:
                piece = data[begin:len(data) - end]
                row.update(base=self.good, at=begin, cut=len(base) - begin - end)
        try:
            row["text"] = piece.decode()
        except UnicodeDecodeError:
            row["bytes"] = base64.b64encode(piece).decode()
        self.cases[name] = data
        self.rows.append(row | verdict)

    def write(self):
        lines = ",\n".join(json.dumps(row, ensure_ascii=True) for row in self.rows)
        (HERE / f"{self.name}.json").write_text(f"[\n{lines}\n]\n")
        print(f"{self.name}: {len(self.rows)} cases")


# --- JSON, as every file is read ----------------------------------------------------------------------------------------

def make_json():
    corpus = Corpus("json")
    for text in ["{}", "[]", "null", "true", "false", "0", "-0", "1", "-1", "1.5", "1e5", "1E+5", "1e-5", "123456789012345678901",
                 "-1e-999", '""', '"a"', '"\\""', '"\\\\"', '"\\/"', '"\\b\\f\\n\\r\\t"', '"\\u0000"', '"\\u00e9"', '"\\ud83d\\ude00"',
                 '"\x7f"', '"\u2028"', '"\U0010ffff"', "[1,2,3]", "[[]]", '{"":0}', '{"a":{"b":[]}}', '{"a":1,"A":2}',
                 " \t\r\n{} \t\r\n", "[1 , 2]", '{"a" : 1}', "[" * 127 + "]" * 127]:
        corpus.accept("takes " + repr(text[:40]), text)
    corpus.refuse("nothing", "", "nothing")
    corpus.refuse("white space only", " \n", "nothing")
    corpus.refuse("byte order mark", b"\xef\xbb\xbf{}", "a byte order mark")
    corpus.refuse("byte order mark after white space", b" \xef\xbb\xbf{}", "a byte order mark")
    corpus.refuse("a key twice", '{"a":1,"a":1}', 'the key "a" twice')
    corpus.refuse("a key twice, escaped once", '{"a":1,"\\u0061":1}', 'the key "a" twice')
    corpus.refuse("a key twice, deep", '[{"b":{"a":1,"a":1}}]', 'the key "a" twice')
    corpus.refuse("128 lists", "[" * 128 + "]" * 128, "nested at most 127 deep")
    corpus.refuse("128 objects", '{"a":' * 128 + "1" + "}" * 128, "nested at most 127 deep")
    for text, found in [("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a Git LFS pointer"),
                        ("# xet version 0\n", "a pointer of Git Xet"), ("\n<!DOCTYPE html>\n<html></html>", "an HTML page"),
                        ("<?xml version=\"1.0\"?><Error/>", "an XML document"), ("Entry not found", "Entry not found"),
                        ("Repository Not Found", "Repository not found"), ("404: Not Found", "a server's answer"),
                        ("Invalid username or password.", "a server's answer"), ("Access to model x/y is restricted.", "access is restricted"),
                        ("GGUF\3\0\0\0", "a GGUF file"), ("PK\3\4\0", "a ZIP archive"), (b"\x1f\x8b\x08\0", "compressed by gzip")]:
        corpus.refuse("found instead: " + repr(text[:20]), text, "expected JSON, found " + found if found[0] == "a" and "restricted" not in found else found)
    corpus.accept("a number that servers send, too", "404")
    corpus.refuse("a NUL byte after", "{}\0", "a NUL byte at byte 3")
    corpus.refuse("a NUL byte within", '"\0"', "a NUL byte at byte 2")
    for text in ["{", "[", "}", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]", "{}{}", "1 2", '{"a"}', '{"a":}', '{"a":1,}', '{,}',
                 "{a:1}", "{'a':1}", "{1:1}", '"', '"a', '"\\"', '"\\x41"', '"\\u12"', '"\\u12g4"', '"\\ud800"', '"\\udc00"',
                 '"\\ud800\\u0041"', '"\n"', '"\t"', '"\x1f"', "'a'", "+1", "01", "-01", "1.", ".1", "-", "1e", "1e+", "0x10", "1_0",
                 "NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999", "True", "nul", "nulll", "undefined", "//", "/**/1", "#1",
                 "[1]//", "1\f", "1\v", "\u00a01", "\ufeff", "{}x", "\\u0031"]:
        corpus.refuse("refuses " + repr(text), text, "JSON")
    for text in [b"\xff", b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xe2\x82"', b'"\xf5\x80\x80\x80"', b'"\xf4\x90\x80\x80"',
                 b'"\xc3', b'{"\x80":1}', b'"a\xf0\x80\x80\xafb"']:
        corpus.refuse("refuses " + repr(text), text, "JSON")
    for text in ["[1]", '{"a":1}', '"a"']:
        for codec in "utf-16-le", "utf-16-be", "utf-16", "utf-32-le":
            corpus.refuse(f"{codec} {text}", text.encode(codec), "found UTF-16" if codec == "utf-16" else "NUL byte")
    corpus.write()


# --- safetensors --------------------------------------------------------------------------------------------------------

def z(count):
    return bytes(count)


def with_length(header, data, length):
    return struct.pack("<Q", length) + as_bytes(header) + as_bytes(data)


def file_of(header, data=b""):
    return with_length(header, data, len(as_bytes(header)))


def entry(dtype, shape, begin, end):
    """An entry; shape may be text, so that it can be wrong."""
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}'.replace(", ", ",")


def one(value, size=1):
    return file_of(f'{{"t":{value}}}', z(size))


def u8(name, begin, end):
    return f'"{name}":' + entry("U8", [end - begin], begin, end)


def several(*entries, size):
    return file_of("{" + ",".join(entries) + "}", z(size))


DTYPES = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
          "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
          "C64": 64, "F64": 64, "I64": 64, "U64": 64}
LARGEST = 2**64 - 1


def make_safetensors():
    corpus = Corpus("safetensors")
    A, R = corpus.accept, corpus.refuse
    tensor = '{"t":' + entry("I32", [2, 2], 0, 16) + "}"

    # The first is also the small file whose every byte and bit is changed.
    A("small file", file_of('{"__metadata__":{"f":"pt"},"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},'
                            '"b":{"dtype":"U8","shape":[],"data_offsets":[4,5]}}', b"\1\2\3\4\5"))
    R("1 empty file", "", "at least 8 bytes, found 0")
    R("2 one byte", "x", "at least 8 bytes, found 1")
    R("2 seven bytes", z(7), "at least 8 bytes, found 7")
    R("3 length 60, nothing after", struct.pack("<Q", 60), "a header of 60 bytes, as the file says, found")
    R("4 length 0", z(8), "header: expected JSON, found nothing")
    R("4 length 0 and data", z(24), "found nothing")
    R("5 {", file_of("{"), "unexpected end of input")
    R("6 FF", file_of(b"\xff"), "expected JSON")
    R("7 length 10^8, short file", with_length("{}", "", 10**8),
      "a header of 100000000 bytes, as the file says, found a file cut short: 2 bytes")
    R("8 length 10^8 + 1", with_length("{}", "", 10**8 + 1), "a header of at most 100000000 bytes, found 100000001")
    for name, length in [("2^63", 2**63), ("2^64 - 1", 2**64 - 1), ("2^64 - 8", 2**64 - 8)]:
        R(f"8 length {name}", with_length("{}", "", length), f"found {length}")
    R("10 length one over the end", with_length("{}", "", 3), "a header of 3 bytes")
    R("11 length swallows the data", with_length(tensor, z(16), len(tensor) + 16), "NUL byte")
    R("12 length one too small", with_length(tensor, z(16), len(tensor) - 1), "end of input")
    A("13 one tensor", file_of(tensor, z(16)))
    R("14 15 bytes", file_of(tensor, z(15)), 'tensor "t": expected data up to byte 16')
    R("14 17 bytes", file_of(tensor, z(17)), "to end with its last tensor, found 1 bytes more")
    R("14 no bytes", file_of(tensor), "the section has 0 bytes")
    R("14 14 bytes", file_of(tensor, z(14)), "a file cut short: the section has 14 bytes")
    R("14 extra data", file_of(tensor, z(16) + b"extra_bogus_data"), "found 16 bytes more")
    A("15 {}", file_of("{}"))
    A("15 {} padded", file_of("{}      "))
    R("16 {} and a byte", file_of("{}", z(1)), "found 1 bytes more")
    A("17 white space after", file_of("{}\r \t\n"))
    A("17 white space on both sides", file_of("\t\n{}\r "))
    R("18 byte order mark", file_of("\ufeff{}"), "a byte order mark")
    R("18 byte order mark after a space", file_of(" \ufeff{}"), "a byte order mark")
    R("19 NULs after", file_of(b"{}" + z(6)), "a NUL byte at byte 3")
    R("19 form feed after", file_of("{}\f"), "invalid literal")
    R("19 vertical tab after", file_of("{}\v"), "invalid literal")
    R("20 {}x", file_of("{}x"), "at byte 3")
    R("20 {}{}", file_of("{}{}"), "expected end of input")
    R("20 []", file_of("[]"), "expected a JSON object, found an empty list")
    R("20 null", file_of("null"), "found null")
    R("20 1", file_of("1"), "found the number 1")
    R("20 string", file_of('"a"'), 'found the string "a"')
    R("21 trailing comma", file_of('{"t":' + entry("U8", [1], 0, 1) + ",}", z(1)), "JSON")
    R("21 comment", file_of("{}//x"), "JSON")
    R("21 block comment", file_of("{/**/}"), "JSON")
    R("21 single quotes", file_of("{'t':1}"), "JSON")
    R("21 NaN", one('{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}'), "JSON")
    R("21 UTF-16", file_of("{}".encode("utf-16-le")), "NUL byte")
    R("22 Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer")
    R("22 HTML", "\n<!DOCTYPE html>\n<html></html>", "an HTML page")
    R("22 HTML without doctype", '<html lang="en"></html>', "an HTML page")
    R("22 GGUF", b"GGUF\3" + z(7), "a GGUF file")
    R("22 GGML", b"lmgg\3" + z(7), "a GGML file")
    R("22 ZIP", b"PK\3\4\0\0\x08\x08\0\0\0\0", "a ZIP archive, perhaps a PyTorch checkpoint")
    R("22 ZIP, small as a number", b"PK\3\4" + z(12), "a ZIP archive")
    R("22 ZIP, empty", b"PK\5\6" + z(18), "a ZIP archive")
    R("22 old PyTorch", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "PyTorch")

    def named(name):
        return file_of(b'{"' + as_bytes(name) + b'":' + as_bytes(entry("U8", [1], 0, 1)) + b"}", z(1))
    R("23 overlong", named(b"\xc0\xaf"), "ill-formed UTF-8")
    R("23 surrogate", named(b"\xed\xa0\x80"), "ill-formed UTF-8")
    R("23 cut short", named(b"\xe2\x82"), "ill-formed UTF-8")
    R("23 past U+10FFFF", named(b"\xf5\x80\x80\x80"), "ill-formed UTF-8")
    R("23 in metadata", file_of(b'{"__metadata__":{"k":"\xc0\xaf"}}'), "ill-formed UTF-8")
    R("24 lone high surrogate", named("\\ud800"), "surrogate")
    R("24 lone low surrogate", named("\\udc00"), "surrogate")
    A("24 pair", named("\\ud83d\\ude00"))
    A("25 escaped NUL", named("a\\u0000b"))
    R("25 raw NUL", named("a\0b"), "NUL byte")
    R("25 raw newline", named("a\nb"), "control character")
    R("25 bad escape", named("\\x41"), "forbidden character after backslash")
    A("26 empty name", named(""))
    A("27 escaped field", one('{"\\u0064type":"U8","shape":[1],"data_offsets":[0,1]}'))
    A("29 a path as name", named("../../etc/passwd"))

    R("30 no dtype", one('{"shape":[1],"data_offsets":[0,1]}'), '"dtype", found none')
    R("30 no shape", one('{"dtype":"U8","data_offsets":[0,1]}'), '"shape", found none')
    R("30 no offsets", one('{"dtype":"U8","shape":[1]}'), '"data_offsets", found none')
    R("30 nothing", one("{}"), '"dtype", found none')

    def extra(value):
        return one(f'{{"dtype":"U8","shape":[1],"data_offsets":[0,1],"extra":{value}}}')
    A("31 unknown field", extra('{"a":[1,null,"x",-1.5]}'))
    R("31 unknown field holds 1e999", extra("1e999"), "number overflow")
    A("31 unknown field, 100 deep", extra("[" * 100 + "]" * 100))
    A("31 unknown field, 127 deep in all", extra("[" * 125 + "]" * 125))
    R("31 unknown field, 128 deep in all", extra("[" * 126 + "]" * 126), "nested at most 127 deep")

    def dtype(text):
        return one(f'{{"dtype":{text},"shape":[1],"data_offsets":[0,1]}}')
    R("32 entry as a list (stricter)", one('["U8",[1],[0,1]]'), "found a list")
    R("32 dtype as an object (stricter)", dtype('{"U8":null}'), "a known dtype, found an object")
    R("33 entry null", one("null"), 'tensor "t": expected an object')
    R("33 entry string", one('"U8"'), 'found the string "U8"')
    R("33 entry number", one("3"), "found the number 3")
    R("33 entry true", one("true"), "found true")
    for text, found in [('"F31"', 'the string "F31"'), ('"f32"', '"f32"'), ("3", "the number 3"), ("null", "null"),
                        ('"F8_E4M3FN"', '"F8_E4M3FN"'), ('"U8\\u0000"', '"U8\\x00"'), ('""', 'the string ""'),
                        ('"U8 "', '"U8 "'), ('["U8"]', "a list"), ('"U128"', '"U128"')]:
        R(f"34 dtype {text}", dtype(text), "a known dtype, found" + (" " + found if found[0] != '"' else " the string " + found))

    def shape(text):
        return one(f'{{"dtype":"U8","shape":{text},"data_offsets":[0,1]}}')
    for text, found in [("[-1]", "the number -1"), ("[1.0]", "the number 1.0"), ("[1e0]", "the number"), ('["1"]', 'the string "1"'),
                        ("[null]", "null"), ("[[1]]", "a list"), ("[-0]", "the number 0"), ("[true]", "true"), ("[{}]", "an object"),
                        ("[18446744073709551616]", "the number 1.8446744073709552e+19"), ("[1,-1]", "the number -1")]:
        R(f"35 shape {text}", shape(text), "integers from 0 to 2^64 - 1 in shape, found " + found)
    R("35 shape [01]", shape("[01]"), "JSON")
    R("35 shape [+1]", shape("[+1]"), "JSON")
    R("35 shape {}", shape("{}"), "a list of integers in shape, found an object")
    R("35 shape 1", shape("1"), "a list of integers in shape, found the number 1")
    R("35 shape null", shape("null"), "a list of integers in shape, found null")
    R('35 shape "1"', shape('"1"'), 'a list of integers in shape, found the string "1"')
    A("36 rank 0", one(entry("I32", [], 0, 4), 4))
    R("36 rank 0 without bytes", one(entry("I32", [], 0, 0), 0), "4 bytes for I32 []")
    A("37 no elements", one(entry("I32", [2, 0], 0, 0), 0))
    R("37 no elements but bytes", one(entry("I32", [2, 0], 0, 4), 4), "0 bytes for I32 [2, 0]")
    A("38 rank 8", shape([1] * 8))
    R("38 rank 9 (stricter)", shape([1] * 9), "at most 8 dimensions, found 9")
    R("38 rank 1000 (stricter)", shape("[1" + ",1" * 999 + "]"), "at most 8 dimensions, found 1000")

    big = "a size that fits in 64 bits"
    R("39 product", one(entry("F32", [2, 2**64 - 2], 0, 4), 4), big)
    R("39 bytes", one(entry("F32", [2, 2**63 - 1], 0, 4), 4), big)
    R("39 product wraps to 0", one(entry("U8", [2**32, 2**32], 0, 0), 0), big)
    R("39 bytes wrap to 16", one(entry("F32", [2**62 + 4], 0, 16), 16), big)
    R("39 bits", one(entry("U8", [2**61], 0, 0), 0), big)
    R("39 bits, wrapping to those of the data", one(entry("U8", [2**61 + 1], 0, 1), 1), big)
    R("39 three factors", one(entry("U8", [2**22, 2**22, 2**22], 0, 4), 4), big)
    R("40 zero last", one(entry("U8", [LARGEST, 2, 0], 0, 0), 0), big)
    R("40 zero first (stricter)", one(entry("U8", [0, LARGEST, 2], 0, 0), 0), big)
    R("40 zero between (stricter)", one(entry("U8", [LARGEST, 0, 2], 0, 0), 0), big)
    R("40 zero after bits that do not fit (stricter)", one(entry("I8", [2**62 + 4, 0], 0, 0), 0), big)

    def offsets(text, size=1):
        return one(f'{{"dtype":"U8","shape":[1],"data_offsets":{text}}}', size)
    R("41 no offsets", offsets("[]"), "two numbers in data_offsets, found 0")
    R("41 one offset", offsets("[0]"), "two numbers in data_offsets, found 1")
    R("41 three offsets", offsets("[0,1,1]"), "two numbers in data_offsets, found 3")
    for text, found in [("[-1,1]", "the number -1"), ("[0.0,1]", "the number 0.0"), ("[0,18446744073709551616]", "the number"),
                        ("[null,1]", "null"), ('["0",1]', 'the string "0"'), ("[false,1]", "false")]:
        R(f"41 offsets {text}", offsets(text), "2^64 - 1 in data_offsets, found " + found)
    R("41 object", offsets("{}"), "a list of integers in data_offsets, found an object")
    R("41 null", offsets("null"), "a list of integers in data_offsets, found null")
    R("42 [1,0]", offsets("[1,0]"), "end is not before their begin, found [1, 0]")
    R("42 [1,0] and no element", one(entry("U8", [0], 1, 0)), "end is not before their begin, found [1, 0]")
    R("42 [1,2]", offsets("[1,2]", 2), "at 0, found a hole: begin 1")
    R("42 [max,max]", one(entry("U8", [0], LARGEST, LARGEST), 0), f"found a hole: begin {LARGEST}")
    R("42 [0,max]", offsets(f"[0,{LARGEST}]"), f"found {LARGEST} bytes")
    R("43 [0,4]", one(entry("I32", [2, 2], 0, 4), 4), "16 bytes for I32 [2, 2], found 4 bytes")
    R("43 [0,20]", one(entry("I32", [2, 2], 0, 20), 20), "16 bytes for I32 [2, 2], found 20 bytes")
    R("43 half a byte more", one(entry("F4", [2], 0, 2), 2), "1 bytes for F4 [2], found 2 bytes")
    R("44 4 MB tensor, 4 bytes", one(entry("F32", [1000, 1000], 0, 4000000), 4),
      'tensor "t": expected data up to byte 4000000 of the data section, found a file cut short')
    R("45 2^61 - 1 bytes", one(entry("U8", [2**61 - 1], 0, 2**61 - 1), 4), "found a file cut short: the section has 4 bytes")

    a, b = u8("a", 0, 4), u8("b", 4, 8)
    A("46 in order", several(a, b, size=8))
    A("46 out of order", several(b, a, size=8))
    R("47 hole", several(a, u8("b", 5, 9), size=9), 'tensor "b": expected data to begin')
    R("47 hole at the beginning", several(u8("a", 1, 5), u8("b", 5, 9), size=9), "at 0, found a hole: begin 1")
    R("47 overlap", several(a, u8("b", 3, 7), size=7),
      'tensor "b": expected data to begin where the previous tensor\'s ends, at 4, found an overlap: begin 3')
    R("47 the same", several(a, u8("b", 0, 4), size=4), "found an overlap: begin 0")
    R("47 inside", several(a, u8("b", 1, 3), size=4), "found an overlap: begin 1")
    R("47 inside, file as long as both", several(a, u8("b", 1, 3), size=6), "found an overlap: begin 1")
    A("48 empty between", several(u8("e", 4, 4), a, b, size=8))
    A("48 empty between, last in the header", several(b, a, u8("e", 4, 4), size=8))
    A("48 several empty at the start", several(u8("e", 0, 0), a, u8("f", 0, 0), size=4))
    A("48 empty at the end", several(u8("e", 4, 4), a, size=4))
    A("48 nothing but empty", several(u8("e", 0, 0), u8("f", 0, 0), size=0))
    R("49 empty inside", several(a, u8("e", 2, 2), size=4), 'tensor "e"')
    R("49 empty past the end", several(a, u8("e", 9, 9), size=4), "a hole: begin 9")
    R("50 ten tensors in one place", several(*[f'"t{i}":' + entry("I32", [2, 2], 0, 16) for i in range(10)], size=16),
      "an overlap: begin 0")

    w = u8("w", 0, 4)
    R("52 the same entry (stricter)", several(w, w, size=4), 'found the key "w" twice')
    R("53 another dtype (stricter)", several(w, '"w":' + entry("F32", [1], 0, 4), size=4), 'found the key "w" twice')
    R("54 another place", several(w, u8("w", 4, 8), size=8), "twice")
    R("55 another spelling (stricter)", several(w, u8("\\u0077", 0, 4), size=4), "twice")
    R("56 dtype twice", one('{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}'), 'found the key "dtype" twice')
    R("56 shape twice", one('{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}'), 'found the key "shape" twice')
    R("56 offsets twice", one('{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}'), '"data_offsets" twice')
    R("57 metadata twice", file_of('{"__metadata__":{},"__metadata__":{}}'), '"__metadata__" twice')
    R("57 metadata twice, null first", file_of('{"__metadata__":null,"__metadata__":{}}'), "twice")
    R("58 key twice in metadata (stricter)", file_of('{"__metadata__":{"a":"1","a":"2"}}'), 'found the key "a" twice')
    R("58 key twice in an unknown field (stricter)", extra('[{"y":1,"y":1}]'), 'found the key "y" twice')

    def metadata(value):
        return file_of(f'{{"__metadata__":{value}}}')
    A("59 format", metadata('{"format":"pt"}'))
    A("59 empty", metadata("{}"))
    A("59 null", metadata("null"))
    A("59 last", several(u8("a", 0, 1), '"__metadata__":{"format":"pt"}', size=1))
    A("59 a tensor named nearly so", several(u8("__metadata", 0, 1), size=1))
    R("60 number", metadata("1"), "__metadata__: expected an object, found the number 1")
    R("60 string", metadata('"x"'), '__metadata__: expected an object, found the string "x"')
    R("60 list", metadata("[]"), "__metadata__: expected an object, found an empty list")
    R("60 true", metadata("true"), "__metadata__: expected an object, found true")
    R("60 nested", metadata('{"a":{"b":"c"}}'), '__metadata__: "a": expected a string, found an object')
    R("60 number value", metadata('{"a":1}'), '__metadata__: "a": expected a string, found the number 1')
    R("60 null value", metadata('{"a":null}'), '__metadata__: "a": expected a string, found null')
    R("60 list value", metadata('{"a":["b"]}'), "expected a string, found a list")
    R("60 a tensor entry", metadata(entry("U8", [0], 0, 0)), "__metadata__")

    for name, bits in DTYPES.items():
        count = {4: 2, 6: 4}.get(bits, 3)  # the least that fills bytes
        A(f"61 {name}", one(entry(name, [count], 0, count * bits // 8), count * bits // 8))
        R(f"61 {name}, a byte less", one(entry(name, [count], 0, count * bits // 8 - 1), count * bits // 8 - 1),
          f"{count * bits // 8} bytes for {name} [{count}]")
    A("61 F4 [1,2]", one(entry("F4", [1, 2], 0, 1), 1))
    R("62 F4 [1,3]", one(entry("F4", [1, 3], 0, 2), 2), "a whole number of bytes, found F4 [1, 3]")
    R("62 F4 [1,3], rounded down", one(entry("F4", [1, 3], 0, 1), 1), "a whole number of bytes, found F4 [1, 3]")
    R("62 F6 [3]", one(entry("F6_E2M3", [3], 0, 3), 3), "a whole number of bytes")
    R("62 F6 [3], rounded down", one(entry("F6_E3M2", [3], 0, 2), 2), "a whole number of bytes")
    A("63 F32 at 1", several(u8("a", 0, 1), '"b":' + entry("F32", [1], 1, 5), size=5))
    small = '{"t":' + entry("F32", [1], 0, 4) + "}"
    A("63 odd header", file_of(small + " " * (1 - len(small) % 2), z(4)))
    A("64 a type no model uses", one(entry("F8_E4M3", [2], 0, 2), 2))
    R("65 100 open lists", file_of("[" * 100), "JSON")
    R("65 1000 open lists in an entry", file_of('{"t":' + "[" * 1000), "nested at most 127 deep")
    R("65 1000 open objects", file_of('{"t":' * 1000), "nested at most 127 deep")
    corpus.write()


# --- index --------------------------------------------------------------------------------------------------------------

def make_index():
    corpus = Corpus("index")
    A, R = corpus.accept, corpus.refuse
    shards = '{"t":"a.safetensors"}'

    def mapped(text):
        return f'{{"weight_map":{text}}}'

    def shard(name):
        return mapped(f'{{"t":"{name}"}}')
    A("good", f'{{"metadata":{{"total_size":4}},"weight_map":{shards}}}')
    A("no metadata", mapped(shards))
    A("other metadata", f'{{"metadata":{{"total_parameters":4}},"weight_map":{shards}}}')
    for text in ["null", "[]", "1", '"x"', "{}"]:
        A("metadata " + text, f'{{"metadata":{text},"weight_map":{shards}}}')
    for text in ["0", "18446744073709551615", "-1", "1.5", "18446744073709551616", '"12"', "null", "[]", "{}", "true"]:
        A("total_size " + text, f'{{"metadata":{{"total_size":{text}}},"weight_map":{shards}}}')
    A("unknown member", f'{{"x":[1],"weight_map":{shards}}}')
    A("white space around", f"\n\t{mapped(shards)}\r\n ")
    A("two shards", mapped('{"t":"model-00001-of-00002.safetensors","u":"model-00002-of-00002.safetensors"}'))
    A("one shard twice", mapped('{"t":"a.safetensors","u":"a.safetensors"}'))
    A("a tensor without a name", mapped('{"":"a.safetensors"}'))
    A("a tensor named like a path", mapped('{"../../x":"a.safetensors"}'))
    A("a name with a space", shard("a b.safetensors"))
    A("a name in Japanese", shard("\u65e5.safetensors"))
    A("two dots in front", shard("..safetensors"))
    A("a name of 255 bytes", shard("x" * 243 + ".safetensors"))

    R("empty", mapped("{}"), "weight_map: expected at least one tensor, found none")
    R("missing", "{}", "weight_map: expected an object, found none")
    R("spelt otherwise", f'{{"Weight_map":{shards}}}', "weight_map: expected an object, found none")
    R("list", mapped("[]"), "weight_map: expected an object, found an empty list")
    R("null", mapped("null"), "weight_map: expected an object, found null")
    R("string", mapped('"a.safetensors"'), "weight_map: expected an object, found the string")
    R("number", mapped("3"), "weight_map: expected an object, found the number 3")
    for text, found in [("1", "the number 1"), ("null", "null"), ('["a.safetensors"]', "a list"), ("{}", "an object"), ("true", "true")]:
        R("value " + text, mapped(f'{{"t":{text}}}'), f'weight_map: "t": expected a file name, found {found}')
    R("a good one and a bad one", mapped('{"a":"a.safetensors","b":null}'), 'weight_map: "b": expected a file name, found null')
    R("duplicate", mapped('{"t":"a.safetensors","t":"b.safetensors"}'), 'found the key "t" twice')
    R("duplicate, escaped", mapped('{"t":"a.safetensors","\\u0074":"a.safetensors"}'), 'found the key "t" twice')
    R("duplicate map", f'{{"weight_map":{shards},"weight_map":{shards}}}', '"weight_map" twice')
    R("duplicate total_size", f'{{"metadata":{{"total_size":4,"total_size":4}},"weight_map":{shards}}}', '"total_size" twice')
    plain = "a plain file name of this directory ending in .safetensors, found "
    for name in ["", ".", "..", ".safetensors", "x", "x.bin", "x.safetensors.bin", "x.SAFETENSORS", "x.safetensors ", "x.safetensors.",
                 "../x", "../x.safetensors", "/etc/passwd", "/x.safetensors", "./x.safetensors", "sub/x.safetensors", "x.safetensors/",
                 "C:x", "C:x.safetensors", "x:stream.safetensors", "model.safetensors.index.json", "pytorch_model-00001-of-00002.bin",
                 "x.\u0455afetensors"]:
        R(f"shard {name!r}", shard(name), f'weight_map: "t": expected {plain}"{name}"')
    for name in ["a\\\\..\\\\b", "C:\\\\x.safetensors", "a\\\\..\\\\b.safetensors", "\\\\\\\\host\\\\x.safetensors"]:
        R(f"shard {name}", shard(name), f'{plain}"{name}"')
    R("NUL in a name", shard("x\\u0000.safetensors"), plain + '"x\\x00.safetensors"')
    R("NUL after a name", shard("x.safetensors\\u0000"), plain + '"x.safetensors\\x00"')
    R("line feed in a name", shard("x\\n.safetensors"), plain + '"x\\x0a.safetensors"')
    R("escape in a name", shard("\\u001b[2J.safetensors"), plain + '"\\x1b[2J.safetensors"')
    R("DEL in a name", shard("x\x7f.safetensors"), plain + '"x\\x7f.safetensors"')
    R("a name of 256 bytes", shard("x" * 244 + ".safetensors"), "(256 bytes)")
    for letter in "az":
        R(f"two spellings of {letter}", mapped(f'{{"t":"{letter.upper()}.safetensors","u":"{letter}.safetensors"}}'),
          f'expected one spelling of the name "{letter.upper()}.safetensors"')
    R("two spellings", mapped('{"t":"a.safetensors","u":"A.safetensors"}'),
      'weight_map: "u": expected one spelling of the name "a.safetensors", found "A.safetensors"')
    R("not an object", "[]", "expected a JSON object, found an empty list")
    R("not an object but null", "null", "expected a JSON object, found null")
    R("nothing", "", "expected JSON, found nothing")
    R("not JSON", "weight_map", "expected JSON")
    R("byte order mark", "\ufeff" + mapped(shards), "a byte order mark")
    R("text after it", mapped(shards) + "x", "expected JSON")
    R("a name that is not UTF-8", as_bytes(shard("@")).replace(b"@", b"\xff.safetensors"), "ill-formed UTF-8")
    R("deep", '{"x":' + "[" * 127 + "]" * 127 + "}", "nested at most 127 deep")
    corpus.write()


# --- config.json --------------------------------------------------------------------------------------------------------

def make_config():
    corpus = Corpus("config")
    A, R, M = corpus.accept, corpus.refuse, corpus.unfit
    fields = ["vocab_size", "context_length", "hidden_size", "num_hidden_layers", "attention_hidden_size", "intermediate_size",
              "rescale_every", "bos_token_id", "eos_token_id"]
    A("good", '{"model_type":"rwkv","vocab_size":64,"context_length":32,"hidden_size":6,"num_hidden_layers":2,'
              '"attention_hidden_size":5,"intermediate_size":7,"layer_norm_epsilon":1e-05,"rescale_every":6,'
              '"tie_word_embeddings":false,"bos_token_id":0,"eos_token_id":1,"use_cache":true,"unknown":{"x":[1]}}')
    A("defaults", "{}")
    A("nulls", "{" + ",".join(f'"{field}":null' for field in fields) +
      ',"layer_norm_epsilon":null,"tie_word_embeddings":null,"model_type":null}')
    A("never rescaled", '{"rescale_every":0}')
    for text in ["-1", "-1000000000000000000", "4194305", "1000000000000000000", "6.0"]:
        A(f"rescale_every {text}", f'{{"rescale_every":{text}}}')
    for field in ["bos_token_id", "eos_token_id"]:
        for text in ["-1", "50277", "1000000000000000000", "12.0", "[0]", "[0,1]", "[]", "[1,-1]"]:
            A(f"{field} {text}", f'{{"{field}":{text}}}')
    A("as transformers 5 writes it", '{"architectures":["RwkvForCausalLM"],"dtype":"bfloat16","eos_token_id":[0,1],"pad_token_id":null,'
                                     '"transformers_version":"5.0.0","quantization_config":null}')
    for text, found in [('{"quant_method":"bitsandbytes","load_in_4bit":true}', 'quantized by "bitsandbytes"'),
                        ('{"load_in_8bit":true}', "quantized by bitsandbytes"), ('{"quant_method":"gptq","bits":4}', 'quantized by "gptq"')]:
        M(f"quantization_config {text}", f'{{"quantization_config":{text}}}', found)
    R("a server's answer", '{"error":"Repository not found"}', 'a server\'s answer: "Repository not found"')
    A("epsilon an integer", '{"layer_norm_epsilon":1}')
    A("smallest epsilon of float", '{"layer_norm_epsilon":1.17549436e-38}')
    A("largest hidden", '{"hidden_size":4194304,"intermediate_size":1}')
    A("largest layers", '{"num_hidden_layers":4096}')
    A("largest vocabulary", '{"vocab_size":4194304}')
    A("longest context", '{"context_length":2147483647}')
    A("last id", '{"vocab_size":10,"bos_token_id":9,"eos_token_id":9}')
    A("one of all", '{"vocab_size":1,"context_length":1,"hidden_size":1,"num_hidden_layers":1,"intermediate_size":1}')
    for field in fields:
        free = field in ("context_length", "rescale_every", "bos_token_id", "eos_token_id")  # any integer will do
        for text in ["-1", "1000000000000000000", "18446744073709551615", "18446744073709551616"]:
            if not free:
                M(f"{field} {text}", f'{{"{field}":{text}}}', f"{field}: expected an integer from")
        if free:
            M(f"{field} 18446744073709551615", f'{{"{field}":18446744073709551615}}', f"{field}: expected an integer, found")
        else:
            A(f"{field} 12.0", f'{{"{field}":12.0}}')
        for text in ["12.5", '"12"', "true", "{}"] + ([] if "token" in field else ["[12]"]):
            R(f"{field} {text}", f'{{"{field}":{text}}}', f"{field}: expected an integer")
        if "token" in field:
            R(f'{field} ["x"]', f'{{"{field}":["x"]}}', f'{field}: expected an integer, found the string "x"')
    M("-2^63", '{"hidden_size":-9223372036854775808}', "hidden_size: expected an integer from 1 to 4194304, found the number -92")
    M("1e18", '{"hidden_size":1e18}', "hidden_size: expected an integer from 1 to 4194304, found the number 1e+18")
    for field in fields[:1] + fields[2:6]:
        M(f"{field} 0", f'{{"{field}":0}}', f"{field}: expected an integer from 1 to ")
    M("one more hidden", '{"hidden_size":4194305,"intermediate_size":1}', "hidden_size: expected")
    M("one more layer", '{"num_hidden_layers":4097}', "num_hidden_layers: expected an integer from 1 to 4096, found the number 4097")
    M("one more token", '{"vocab_size":4194305}', "vocab_size: expected an integer from 1 to 4194304")
    for text in ["0", "-1", "2147483648", "1000000000000000000"]:
        A(f"context_length {text}", f'{{"context_length":{text}}}')
    M("one more attention", '{"attention_hidden_size":4194305}', "attention_hidden_size: expected")
    M("one more intermediate", '{"intermediate_size":4194305}', "intermediate_size: expected")
    M("implied intermediate too large", '{"hidden_size":4194304}',
      "intermediate_size: expected an integer from 1 to 4194304, found 16777216")
    for text in ["0", "-1e-5", "1e-50", "1e-39", "1e50", "3.41e38"]:
        M(f"epsilon {text}", f'{{"layer_norm_epsilon":{text}}}', "layer_norm_epsilon: expected a positive number")
    R("epsilon infinite", '{"layer_norm_epsilon":1e999}', "number overflow")
    R("epsilon NaN", '{"layer_norm_epsilon":NaN}', 'layer_norm_epsilon: expected a positive number, found the string "NaN"')
    R("context -Infinity", '{"context_length":-Infinity}', 'context_length: expected an integer, found the string "-Infinity"')
    A("numbers of Python's", '{"initializer_range":NaN,"limits":[0.0,Infinity,-Infinity],"x":{"y\\"NaN":"Infinity"}}')
    for text in ["nan", "inf", "+Infinity", "--Infinity", "NaNNaN", "Infinity0"]:
        R(f"a number {text}", f'{{"x":{text}}}', "expected JSON")
    R("a key NaN", '{NaN:1,"NaN":2}', '"NaN" twice')
    for text, found in [('"1e-5"', 'the string "1e-5"'), ("true", "true"), ("[]", "an empty list")]:
        R(f"epsilon {text}", f'{{"layer_norm_epsilon":{text}}}', f"layer_norm_epsilon: expected a positive number, found {found}")
    for text in ['"true"', "1", "0", "[]", "{}"]:
        R(f"tie {text}", f'{{"tie_word_embeddings":{text}}}', "tie_word_embeddings: expected true or false")
    for name in ["rwkv5", "rwkv6", "rwkv7", "llama", "RWKV", "rwkv\\u0000", ""]:
        M(f"model_type {name}", f'{{"model_type":"{name}"}}', 'model_type: expected "rwkv", found "')
    R("model_type number", '{"model_type":4}', 'model_type: expected "rwkv", found the number 4')
    R("model_type list", '{"model_type":["rwkv"]}', 'model_type: expected "rwkv", found a list')
    R("duplicate", '{"hidden_size":8,"hidden_size":16}', '"hidden_size" twice')
    R("duplicate of an unknown field", '{"x":1,"x":1}', '"x" twice')
    for text, found in [("[]", "an empty list"), ("null", "null"), ("1", "the number 1"), ('"rwkv"', 'the string "rwkv"')]:
        R(f"root {text}", text, f"expected a JSON object, found {found}")
    R("nothing", "", "found nothing")
    R("cut short", '{"hidden_size":', "end of input")
    R("byte order mark", "\ufeff{}", "a byte order mark")
    R("UTF-16", "{}".encode("utf-16"), "found UTF-16")
    corpus.write()


# --- tokenizer.json -----------------------------------------------------------------------------------------------------

GONE = object()


def byte_alphabet():
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def added(index, content, normalized, special):
    return {"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": normalized,
            "special": special}


def tokenizer():
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    # No tokens for the bytes that UTF-8 does not use.
    letters = [letter for byte, letter in enumerate(byte_alphabet()) if byte not in (0xC0, 0xC1, *range(0xF5, 0x100))]
    vocabulary = {"<s>": 0} | {letter: 1 + i for i, letter in enumerate(letters)}
    for token in ["ab", "abc", "cd"]:
        vocabulary[token] = len(vocabulary)
    count = len(vocabulary)
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [added(0, "<s>", False, True), added(count, "  ", True, False), added(count + 1, "\u00e9t", True, False)],
            "normalizer": {"type": "NFC"}, "pre_tokenizer": dict(level), "post_processor": dict(level), "decoder": dict(level),
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "merges": ["a b", ["ab", "c"], "c d"], "vocab": vocabulary}}


def dumped(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def changed(path, value):
    """The sound tokenizer.json with the value at `path` (a/b/0) in place of its own, or GONE."""
    root = tokenizer()
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = root
    for part in parents:
        place = place[part]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return root


def make_tokenizer_json():
    corpus = Corpus("tokenizer_json", "good")
    corpus.accept("good", dumped(tokenizer()))

    def A(path, value):
        corpus.accept(f"{path} = {'gone' if value is GONE else dumped(value)}", dumped(changed(path, value)))

    def R(path, value, message, error="FormatError"):
        corpus.refuse(f"{path} = {'gone' if value is GONE else dumped(value)}", dumped(changed(path, value)), message, error)

    def M(path, value, message):
        R(path, value, message, "ModelError")

    R("version", "2.0", 'version: expected "1.0", found "2.0"')
    R("version", 1.0, 'version: expected "1.0"')
    A("version", GONE)
    A("version", None)
    A("truncation", GONE)
    A("padding", GONE)
    A("truncation", {"direction": "Right", "max_length": 512, "strategy": "LongestFirst", "stride": 0})
    A("padding", {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
                  "pad_token": "<s>"})
    R("padding", False, "padding: expected an object, found false")
    M("surprise", 1, 'only fields this library knows, found "surprise"')
    A("surprise", None)
    A("surprise", False)
    A("normalizer", GONE)
    A("normalizer", None)
    M("normalizer", {"type": "NFKC"}, "normalizer.type: expected NFC")
    A("normalizer", {"type": "Sequence", "normalizers": []})
    A("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}]})
    M("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
      "normalizer.normalizers[1].type: expected NFC")
    R("normalizer", {"type": "Sequence"}, "normalizer.normalizers: expected a value, found nothing")
    M("normalizer", {"type": "NFC", "x": 1}, 'normalizer: expected only fields this library knows, found "x"')
    R("normalizer", {}, "normalizer.type: expected a value, found nothing")
    R("normalizer", "NFC", "normalizer: expected an object")
    for part in ["pre_tokenizer", "decoder"]:
        M(part, None, f"{part}: expected ByteLevel")
        R(part, GONE, f"{part}: expected a value, found nothing")
        R(part, "ByteLevel", f"{part}: expected an object")
        M(f"{part}/type", "Metaspace", f"{part}.type: expected ByteLevel")
        R(f"{part}/type", GONE, f"{part}.type: expected a value, found nothing")
        M(f"{part}/surprise", 1, f"{part}: expected only fields this library knows")
        R(f"{part}/use_regex", 1, f"{part}.use_regex: expected true or false")
        A(f"{part}/use_regex", GONE)
        A(f"{part}/trim_offsets", False)
        R(f"{part}/trim_offsets", None, f"{part}.trim_offsets: expected true or false")
    M("pre_tokenizer/type", "Split", "pre_tokenizer.type: expected ByteLevel")
    M("pre_tokenizer/type", None, "pre_tokenizer.type: expected ByteLevel")
    M("pre_tokenizer", {"type": "Sequence", "pretokenizers": []}, "pre_tokenizer.type: expected ByteLevel")
    level = tokenizer()["pre_tokenizer"]
    quiet = dict(level, use_regex=False)
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    short = dict(split, pattern={"Regex": pattern.replace("'s|'t|'re|'ve|'m|'ll|'d", "'(?:[sdmt]|ll|ve|re)")})

    def in_turn(*steps):
        return {"type": "Sequence", "pretokenizers": [*steps]}
    A("pre_tokenizer", in_turn(level))
    A("pre_tokenizer", in_turn(split, quiet))
    A("pre_tokenizer", in_turn(dict(short, behavior="Removed", invert=True), quiet))
    M("pre_tokenizer", in_turn(level, level), "pre_tokenizer.type: expected ByteLevel")
    M("pre_tokenizer", in_turn(split, level), "pre_tokenizer.pretokenizers[1].use_regex: expected false")
    M("pre_tokenizer", in_turn(quiet), "pre_tokenizer.pretokenizers[0].use_regex: expected true")
    M("pre_tokenizer", in_turn(dict(split, behavior="Removed"), quiet), "pretokenizers[0].behavior: expected Isolated")
    M("pre_tokenizer", in_turn(dict(split, invert=True), quiet), "pretokenizers[0].behavior: expected Removed")
    M("pre_tokenizer", in_turn(dict(split, pattern={"Regex": " "}), quiet), "pretokenizers[0].pattern: expected the pattern of GPT-2")
    M("pre_tokenizer", in_turn(dict(split, pattern={"String": pattern}), quiet), "the pattern of GPT-2")
    A("decoder", {"type": "Sequence", "decoders": [level]})
    M("decoder", {"type": "Sequence", "decoders": []}, "decoder: expected ByteLevel")
    M("decoder", {"type": "Sequence", "decoders": [level, level]}, "decoder: expected ByteLevel")
    M("pre_tokenizer/add_prefix_space", True, "pre_tokenizer.add_prefix_space: expected false")
    M("pre_tokenizer/use_regex", False, "pre_tokenizer.use_regex: expected true")
    A("decoder/add_prefix_space", True)
    A("decoder/use_regex", False)
    A("post_processor", None)
    A("post_processor", GONE)
    text, second = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
    begin = {"SpecialToken": {"id": "<s>", "type_id": 0}}

    def template(*single, tokens={}):
        return {"type": "TemplateProcessing", "single": [*single], "pair": [text, second], "special_tokens": tokens}

    def processors(*steps):
        return {"type": "Sequence", "processors": [*steps]}
    known = {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}
    A("post_processor", template(text))
    A("post_processor", template(text, tokens=known))
    A("post_processor", template(begin, text, tokens={"<s>": {"id": "<s>", "ids": [], "tokens": []}}))
    A("post_processor", processors())
    A("post_processor", processors(level, template(text)))
    A("post_processor", processors(processors(template(text))))
    M("post_processor", template(begin, text, tokens=known), 'post_processor.single: expected no token that is added to a text')
    M("post_processor", template(text, begin, tokens=known), 'found "<s>"')
    M("post_processor", template(begin, text), 'found "<s>"')
    M("post_processor", template(), "post_processor.single: expected the text, once")
    M("post_processor", template(text, text), "post_processor.single: expected the text, once")
    M("post_processor", template(second), "post_processor.single: expected the text, once")
    M("post_processor", processors(level, template(begin, text, tokens=known)), "post_processor.processors[1].single: expected no token")
    for name in ["BertProcessing", "RobertaProcessing"]:
        M("post_processor", {"type": name, "sep": ["<s>", 0], "cls": ["<s>", 0]}, "post_processor.type: expected ByteLevel or a Template")
    R("post_processor", {"type": "TemplateProcessing"}, "post_processor.single: expected a value, found nothing")
    R("post_processor", template({}), "post_processor.single.SpecialToken: expected a value")
    R("post_processor", template("$A"), "post_processor.single: expected an object")
    R("post_processor", processors(None), "", "ModelError")
    R("post_processor", [], "post_processor: expected an object")

    R("model", 3, "model: expected an object")
    R("model", GONE, "model: expected a value, found nothing")
    for name in ["WordPiece", "Unigram", "bpe"]:
        M("model/type", name, "model.type: expected BPE")
    A("model/type", GONE)
    M("model/surprise", 1, "model: expected only fields this library knows")
    M("model/dropout", 0.1, "model.dropout: expected null")
    A("model/dropout", 0)
    A("model/dropout", 0.0)
    A("model/unk_token", "<unk>")
    R("model/unk_token", 0, "model.unk_token: expected a string")
    A("model/unk_token", GONE)
    M("model/continuing_subword_prefix", "##", "model.continuing_subword_prefix: expected null")
    A("model/continuing_subword_prefix", "")
    M("model/end_of_word_suffix", "</w>", "model.end_of_word_suffix: expected null")
    for name in ["fuse_unk", "byte_fallback", "ignore_merges"]:
        if name == "ignore_merges":
            M(f"model/{name}", True, f"model.{name}: expected false")
        else:  # about characters without a token
            A(f"model/{name}", True)
        R(f"model/{name}", "no", f"model.{name}: expected true or false")
        A(f"model/{name}", GONE)
        A(f"model/{name}", None)

    R("model/vocab", [], "model.vocab: expected an object")
    R("model/vocab", GONE, "model.vocab: expected a value, found nothing")
    M("model/vocab", {}, "model.vocab: expected a token for every byte")
    R("model/vocab/a", GONE, "a token for every byte, found none for byte 97", "ModelError")
    M("model/vocab/\u00f4", GONE, "a token for every byte, found none for byte 244")
    for value in ["66", -1, 1.5, None, True, [1], 1 << 20, 1 << 32, (1 << 32) + 500, 1 << 64]:
        R("model/vocab/a", value, "model.vocab: expected an id from 0 to 1048575")
    R("model/vocab/a", tokenizer()["model"]["vocab"]["b"], "model.vocab: expected every id once")

    R("model/merges", GONE, "model.merges: expected a value, found nothing")
    R("model/merges", {}, "model.merges: expected a list")
    R("model/merges", "a b", "model.merges: expected a list")
    A("model/merges", [])
    A("model/merges", ["#version: 0.2", "a b"])
    for value in ["ab", "a b c", "a  b", ""]:
        R("model/merges/0", value, "model.merges: expected pairs of tokens")
    for value in [7, None, {}, [], ["a"], ["a", "b", "c"]]:
        R("model/merges/0", value, "model.merges: expected a string")
    R("model/merges/0", ["a", 1], "model.merges: expected a string, found 1")
    R("model/merges/0", [None, "b"], "model.merges: expected a string, found null")
    for value in ["a \u20ac", "\u20ac a", "a c", " a", "a "]:
        R("model/merges/0", value, "model.merges: expected tokens of the vocabulary")
    R("model/merges/1", "a b", "model.merges: expected every pair once")

    A("added_tokens", None)
    A("added_tokens", GONE)
    A("added_tokens", [])
    R("added_tokens", "x", "added_tokens: expected a list")
    R("added_tokens", {}, "added_tokens: expected a list")
    R("added_tokens/0", 1, "added_tokens[0]: expected an object")
    for name in ["lstrip", "rstrip", "single_word"]:
        M(f"added_tokens/1/{name}", True, f"added_tokens[1].{name}: expected false")
        R(f"added_tokens/1/{name}", GONE, f"added_tokens[1].{name}: expected a value, found nothing")
        R(f"added_tokens/1/{name}", 0, f"added_tokens[1].{name}: expected true or false")
    for name in ["normalized", "special", "content", "id"]:
        R(f"added_tokens/1/{name}", GONE, f"added_tokens[1].{name}: expected a value, found nothing")
        R(f"added_tokens/1/{name}", None, f"added_tokens[1].{name}: expected ")
    R("added_tokens/1/content", "", "added_tokens[1].content: expected some text")
    R("added_tokens/1/content", 5, "added_tokens[1].content: expected a string")
    R("added_tokens/1/content", "<s>", "added_tokens[1].id: expected 0, and no other token's")
    R("added_tokens/1", added(0, "<s>", True, True), "added_tokens[1].content: expected every added token once")
    for name, token in [("a token without text", ""), ("a token for a byte that UTF-8 does not use", "\u00ff")]:
        more = tokenizer()
        more["model"]["vocab"][token] = 1000
        more["added_tokens"] = []
        corpus.accept(name, dumped(more))
    # They are to differ after normalisation, too.
    last = tokenizer()["added_tokens"][2]["id"]
    again = tokenizer()
    again["added_tokens"].append(added(last + 1, "e\u0301t", True, False))
    corpus.refuse("an added token twice by NFC", dumped(again), "added_tokens[3].content: expected every added token once")
    again["normalizer"] = None
    corpus.accept("an added token twice but for NFC", dumped(again))
    for value in [0, 3, 5000, -1]:
        R("added_tokens/1/id", value, "added_tokens[1].id: expected ")
    M("added_tokens/1/surprise", 0, "added_tokens[1]: expected only fields this library knows")
    for text, found in [("null", "null"), ("[]", "a list"), ('"text"', '"text"'), ("1", "1")]:
        corpus.refuse(f"root {text}", text, f"expected an object, found {found}")
    corpus.refuse("root {}", "{}", "pre_tokenizer: expected a value, found nothing")
    corpus.refuse("a server's answer", '{"error":"Repository not found"}', 'a server\'s answer: "Repository not found"')
    good = dumped(tokenizer())
    corpus.refuse("nothing", "", "expected JSON, found nothing")
    corpus.refuse("a token twice", good.replace('"ab":', '"cd":'), 'the key "cd" twice')
    corpus.refuse("a token twice, escaped", good.replace('"ab":', '"c\\u0064":'), 'the key "cd" twice')
    corpus.refuse("version twice", '{"version":"1.0",' + good[1:], 'the key "version" twice')
    corpus.refuse("a token that is not UTF-8", as_bytes(good).replace(b'"ab":', b'"\xff":'), "ill-formed UTF-8")
    corpus.refuse("a lone surrogate", good.replace('"ab":', '"\\ud800":'), "surrogate")
    corpus.write()


# --- World vocabulary ---------------------------------------------------------------------------------------------------

def make_world():
    corpus = Corpus("world", "good")
    lines = "".join(f"{byte + 1} b'\\x{byte:02x}' 1\n" for byte in range(256))
    corpus.accept("good", lines)

    def A(name, more):
        corpus.accept(name, lines + more)

    def R(name, more, message):
        corpus.refuse(name, as_bytes(lines) + as_bytes(more), "line 257: expected " + message)
    A("two letters", "257 'ab' 2\n")
    A("double quotes", "257 \"it's\" 4\n")
    A("a space", "257 'a b' 3\n")
    A("only spaces", "257 '   ' 3\n")
    A("escapes", "257 '\\n\\t\\r\\\\\\'\\\"' 6\n")
    A("U+0080 as a string", "257 '\\x80' 2\n")
    A("bytes", "257 b'\\x80\\xff' 2\n")
    A("code points", "257 '\\u3042\\uFEFF' 6\n")
    A("raw text", "257 '\u65e5' 3\n")
    A("a NUL", "257 '\\x00a' 2\n")
    A("128 spaces", f"257 '{' ' * 128}' 128\n")
    A("a prefix of a later one", "257 'ab' 2\n258 'abc' 3\n")
    R("an id missing", "258 'ab' 2\n", "the id 257")
    R("an id twice", "256 'ab' 2\n", "the id 257")
    R("an id out of order", "258 'ab' 2\n257 'cd' 2\n", "the id 257")
    for number in ["0257", "+257", "-257", "257.0", "0x101", "", "99999999999", "4294967553", "\u0662\u0665\u0667"]:
        R(f"id {number}", f"{number} 'ab' 2\n", "the id 257")
    for number in ["1", "3", "-2", "02", "+2", "2.0", "x", "4294967298", "2\r\r", "2\t"]:
        R(f"length {number!r}", f"257 'ab' {number}\n", "the length 2")
    R("a space after", "257 'ab' 2 \n", "a Python string or bytes literal")
    R("characters for a length", "257 '\\u3042' 1\n", "the length 3")
    A("no line feed", "257 'ab' 2")
    R("cut within a length", "257 'abcdefghijkl' 1", "the length 12")
    R("cut before a length", "257 'ab' ", "the length 2")
    R("a length cut short", "257 'abcdefghijkl' 1\n", "the length 12")
    R("an empty line", "\n", "an id, a literal and a length")
    R("two parts", "257 'ab'\n", "an id, a literal and a length")
    R("one part", "257\n", "an id, a literal and a length")
    R("two spaces and nothing", "257  2\n", "a Python string or bytes literal")
    R("an empty literal", "257 '' 0\n", "a token of at least one byte")
    R("a token again", "257 'a' 1\n", "every token once")
    R("a token again, spelt otherwise", "257 '\\x61' 1\n", "every token once")
    for literal in ["ab", "'ab", "ab'", "'ab\"", "\"ab'", "'a'b'", "b'ab", "'\\'", "'\\q'", "'\\x1'", "'\\x1g'", "'\\x-1'", "'\\x+1'", "'\\u12'",
                    "'\\u 123'", "'\\ud800'", "'\\udfff'", "b'\\u0041'", "b'\u00e9'", "u'ab'", "r'ab'", "f'ab'", "B'ab'", "bb'ab'", "'''a'''",
                    "'\\101'", "'\\0'", "'\\U0001F600'", "'\\N{DASH}'", "'a' 'b'", "'a' + 'b'", "'a\tb'", "'", "b", "b'", "''ab", "12",
                    "`ab`", "'a\x1f'", "__import__('os').getcwd()", "__import__('os')", "[97,98]", "None", "('ab')", "'ab'#"]:
        R(f"literal {literal}", f"257 {literal} 2\n", "a Python string or bytes literal")
    R("a literal that is not UTF-8", b"257 '\xff' 1\n", "a Python string or bytes literal")
    R("a literal cut in a character", b"257 '\xe6\x97' 2\n", "a Python string or bytes literal")
    corpus.refuse("byte order mark", "\ufeff" + lines, "a byte order mark")
    corpus.accept("CRLF", lines.replace("\n", "\r\n"))
    corpus.refuse("counted from 0", lines.replace("1 b", "0 b", 1), "line 1: expected the id 1")
    corpus.refuse("a blank line before", "\n" + lines, "line 1: expected an id, a literal and a length")
    corpus.unfit("few lines", "1 'ab' 2\n2 'abc' 3\n3 b'\\xff' 1\n4 \"\\u3042'\" 4\n5 ' \u65e5' 4\n", "found none for byte 0")
    corpus.refuse("lines from the middle", "257 'ab' 2\n258 \"it's\" 4\n259 b'\\x80\\xff' 2\n260 '\\u3042\\n' 4\n", "line 1: expected the id 1")
    corpus.unfit("nothing", "", "vocabulary: expected a token for every byte, found none for byte 0")
    corpus.unfit("a byte missing", lines[:lines.rindex("256 ")], "found none for byte 255")
    corpus.unfit("a byte missing, though others begin with it", lines.replace("256 b'\\xff' 1", "256 b'\\xff\\xff' 2"),
                 "found none for byte 255")
    corpus.write()


# --- the file of a conversation -----------------------------------------------------------------------------------------

def make_state():
    """For a model of 4 tokens, 2 layers, hidden size 3 and attention size 2."""
    corpus = Corpus("state", "good")

    def conversation(format="rwkv-4 conversation", tokens=(1, 3), logits=(0.5, 1.5, -2.0, 0.0), values={}, change={}, drop=(), more={}):
        header, data = {"__metadata__": {"format": format} if format else {}}, b""
        parts = [("attention.shift", 3), ("feed_forward.shift", 3), ("attention.numerator", 2), ("attention.denominator", 2),
                 ("attention.maximum", 2)]
        tensors = {name: ["F32", [2, size], struct.pack(f"<{2 * size}f", *values.get(name, [0.25] * (2 * size)))] for name, size in parts}
        tensors["tokens"] = ["I32", [len(tokens)], struct.pack(f"<{len(tokens)}i", *tokens)]
        tensors["logits"] = ["F32", [len(logits)], struct.pack(f"<{len(logits)}f", *logits)]
        tensors.update(more)
        for name, fields in change.items():
            for place, field in enumerate(fields):
                if field is not None:
                    tensors[name][place] = field
        for name, (dtype, shape, content) in tensors.items():
            if name not in drop:
                header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
                data += content
        text = json.dumps(header, separators=(",", ":"))
        return file_of(text + " " * (-len(text) % 8), data)

    A, R, M = corpus.accept, corpus.refuse, corpus.unfit
    A("good", conversation())
    A("no logits", conversation(logits=()))
    A("no tokens", conversation(tokens=(), logits=()))
    A("tokens first in the header", conversation(more={"attention.shift": ["F32", [2, 3], z(24)]}))
    A("denormal", conversation(values={"attention.maximum": [1e-45, -1e-45, 0.0, -0.0]}))
    A("largest", conversation(values={"attention.maximum": [3.4e38, -3.4e38, 1.0, -1.0]}))
    M("no format", conversation(format=None), "format: expected rwkv-4 conversation, found none")
    M("a state", conversation(format="rwkv-4 state"), 'format: expected rwkv-4 conversation, found "rwkv-4 state"')
    M("a later format", conversation(format="rwkv-5 conversation"), 'found "rwkv-5 conversation"')
    M("a tensor more", conversation(more={"x": ["U8", [0], b""]}), "tensors: expected 7, found 8")
    infinity, nan = float("inf"), float("nan")
    for name, size in [("attention.shift", 3), ("feed_forward.shift", 3), ("attention.numerator", 2), ("attention.denominator", 2),
                       ("attention.maximum", 2)]:
        M(f"{name} missing", conversation(drop=[name]), "tensors: expected 7, found 6")
        M(f"{name} of another name", conversation(drop=[name], more={"x": ["F32", [2, size], z(8 * size)]}),
          f"{name}: expected a tensor of that name, found none")
        M(f"{name} of integers", conversation(change={name: ["I32"]}), f"{name}: expected dtype F32, found I32")
        M(f"{name} in half", conversation(change={name: ["F16", None, z(4 * size)]}), f"{name}: expected dtype F32, found F16")
        M(f"{name} transposed", conversation(change={name: [None, [size, 2] if size != 2 else [4, 1]]}),
          f"{name}: expected shape [2, {size}] (by the model)")
        M(f"{name} flat", conversation(change={name: [None, [2 * size]]}), f"{name}: expected shape [2, {size}]")
        M(f"{name} of one layer", conversation(change={name: [None, [1, size], z(4 * size)]}), f"{name}: expected shape [2, {size}]")
        R(f"{name} infinite", conversation(values={name: [0.0] * (2 * size - 1) + [infinity]}),
          f"{name}: expected finite numbers, found an infinity or NaN")
        R(f"{name} NaN", conversation(values={name: [nan] + [0.0] * (2 * size - 1)}), f"{name}: expected finite numbers")
    M("tokens missing", conversation(drop=["tokens"]), "tensors: expected 7, found 6")
    M("tokens of another name", conversation(drop=["tokens"], more={"x": ["I32", [2], z(8)]}), "tokens: expected a tensor of that name")
    M("tokens as floats", conversation(change={"tokens": ["F32"]}), "tokens: expected dtype I32, found F32")
    M("tokens of 64 bits", conversation(change={"tokens": ["I64", None, z(16)]}), "tokens: expected dtype I32, found I64")
    M("tokens in two dimensions", conversation(change={"tokens": [None, [1, 2]]}), "tokens: expected one dimension")
    M("tokens in none", conversation(change={"tokens": [None, [], z(4)]}), "tokens: expected one dimension")
    for token in [4, -1, 2**31 - 1, -2**31]:
        M(f"token {token}", conversation(tokens=(1, token)), f"tokens: expected ids from 0 to 3, found {token}")
    M("logits missing", conversation(drop=["logits"]), "tensors: expected 7, found 6")
    M("logits as integers", conversation(change={"logits": ["I32"]}), "logits: expected dtype F32, found I32")
    M("logits in two dimensions", conversation(change={"logits": [None, [2, 2]]}), "logits: expected shape [4] (by the model) or [0], found [2, 2]")
    M("a logit less", conversation(logits=(0.0,) * 3), "logits: expected shape [4] (by the model) or [0], found [3]")
    M("a logit more", conversation(logits=(0.0,) * 5), "logits: expected shape [4] (by the model) or [0], found [5]")
    R("a logit NaN", conversation(logits=(0.0, nan, 0.0, 0.0)), "logits: expected finite numbers")
    R("a logit infinite", conversation(logits=(0.0, 0.0, 0.0, -infinity)), "logits: expected finite numbers")
    R("nothing", "", "at least 8 bytes, found 0")
    R("a byte more", conversation() + b"x", "found 1 bytes more")
    R("a byte less", conversation()[:-1], "a file cut short")
    R("a ZIP archive", b"PK\3\4" + z(20), "a ZIP archive")
    corpus.write()


# --- text and ids: inputs that nothing refuses --------------------------------------------------------------------------

def make_text():
    texts = ["", " ", "  ", "   x", "a", "The quick brown fox, 12 dogs; it's \u00e9t\u00e9.", "I'm I'M don't don'T 'Tis it''s", "a\r\nb\n\nc \t d",
             "<|endoftext|>", "x<|endoftext|>y<|padding|> <|endoftext", "abcabcdefbcdef the the", "e\u0301 \u00e9 re\u0301sume\u0301 r\u00e9sum\u00e9",
             "\u212b A\u030a \u00c5 \u0344 a\u0338\u0301", "\u1112\u1161\u11ab \ud55c", "\u65e5\u672c\u8a9e \u4f60\u597d,\u4e16\u754c", "\U0001f44d\U0001f3fd",
             "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\uff11\uff12 \u00bd\u00b2 \u2163", "\u00a0x \u3000 \x85\x1c\u200b\ufeff",
             "\0\x7f\ufffd\U0010ffff", "a" * 200, " " * 200, "\u0301" * 100, "a\u0323\u0301" * 20 + "\u0301\u0323", "ab" * 50 + "\n" * 30]
    raw = [b"\xff", b"ab\xffz", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x80" * 9, bytes(range(256)),
           b"\xff" * 9, b"\x81\x82\x81", b"123456789\xe2\x82"]
    encode, decode = Corpus("encode"), Corpus("decode")
    for number, text in enumerate(texts):
        encode.accept(f"text {number}", text)
    for number, data in enumerate(raw):
        encode.refuse(f"bytes {number}", data, "valid UTF-8", "ArgumentError")
    # The first byte chooses how the rest is cut, and whether special tokens are told.
    for number, data in enumerate([as_bytes(text) for text in texts] + raw):
        decode.accept(f"bytes {number}", bytes([number]) + data)
    decode.accept("ids of tokens", b"\0" + struct.pack("<300H", *range(300)))
    decode.accept("special ids", b"\1" + struct.pack("<20H", *range(590, 610)))
    encode.write()
    decode.write()

# --- What constraints are made of ---------------------------------------------------------------------------------------

def make_json_schema():
    corpus = Corpus("json_schema")
    for number, text in enumerate([
            'true',
            '{}',
            '{"type":"object","properties":{"a":{"type":"integer","minimum":-5,"maximum":120},"b":{"type":"string","pattern":"^x+$","maxLength":9}},"required":["b"],"additionalProperties":false}',
            '{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"number","multipleOf":0.25},"next":{"$ref":"#/$defs/n"}},"required":["v"]}}}',
            '{"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#"},"minItems":1,"maxItems":3}]}',
            '{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},{"type":"object","properties":{"k":{"enum":["b",1]}},"required":["k"]}]}',
            '{"allOf":[{"patternProperties":{"^n_":{"type":"integer"},"_b$":{"exclusiveMaximum":9.5}}},{"propertyNames":{"maxLength":4},"minProperties":1,"maxProperties":2}],"type":"object"}',
            '{"type":"array","prefixItems":[{"format":"date-time"},{"format":"email"},{"format":"ipv6"},{"format":"uri"}],"items":{"const":{"a":[1,null]}}}',
            '{"$id":"http://x.org/a.json","$ref":"b.json#t","$defs":{"b":{"$id":"b.json","$defs":{"c":{"$anchor":"t","const":5}}}}}',
            '{"$schema":"http://json-schema.org/draft-04/schema#","id":"http://x/y","type":["integer","null"],"minimum":0,"exclusiveMinimum":true}',
            '{"enum":[1,"one",null,[1],{"a":2.50},1e3]}',
            '{"type":"array","items":[{"type":"string"}],"additionalItems":false,"contains":true}',
            '{"type":"string"}']):
        corpus.accept(f"schema {number}", text)
    for text, message in [
            ("false", "text"), ('{"$ref":"#"}', "contain itself"), ('{"not":{}}', "not supported"), ('{"type":"text"}', "null, boolean"),
            ('{"oneOf":[{"required":["a"]},{"required":["b"]}]}', "only one"), ('{"items":{"uniqueItems":true}}', "uniqueItems"),
            ('{"minimum":1e5000}', "digits"), ('{"allOf":[]}', "a list of schemas"), ("[1]", "an object"), ('{"a":1,"a":2}', "twice"),
            ('{"pattern":"(?=a)"}', "look-ahead"), ('{"type":"string","format":"iri"}', "format"), ('"\\ud800"', "surrogate"),
            ('{"multipleOf":0}', "above zero"), ("[" * 300, "nested")]:
        corpus.refuse(text[:60], text, message, "ArgumentError")
    corpus.write()


def make_regex():
    corpus = Corpus("regex")
    for text in ["", "a|bc", "(ab?){2,3}", "[^\\d\\s]+\\.", "\\p{L}\\p{N}\\P{L}", "^a$|^$", "\\x41\\u00e9\\u{1F600}\\uD83D\\uDE00",
                 "[a\\-z]+", "a{,x}", "(?<year>\\d{4})-(?:0[1-9])", "a{0,100000}", "((a*)*)*", "(a|b|ab)*c", "\\w+@\\w+\\.[a-z]{2,}?",
                 "(.*){1,9}x", "\u4e2d[\u3040-\u30ff]", "(^|,)x(,|$)", "\\cA\\0\\t[\\b]", "(" * 90 + ")" * 90]:
        corpus.accept("takes " + repr(text[:40]), text)
    for text in ["a(?=b)", "(?<!b)a", "(a)\\1", "\\bx", "(?i)a", "\\p{Lu}", "a**", "(", ")", "[a", "[z-a]", "a{3,2}", "*", "\\", "\\q",
                 "(?P=n)", "a++", "(?>a)", "a^b", "x{9999999999}", "(" * 1000, "[[:alpha:]]"]:
        corpus.refuse("refuses " + repr(text[:40]), text, "expected", "ArgumentError")
    corpus.refuse("not UTF-8", b"\xff", "UTF-8", "ArgumentError")
    corpus.write()


def make_grammar():
    corpus = Corpus("grammar")
    for text in ['root ::= "a"', 'root ::= [^a-z]{2,3} . | "\\u00e9"*', 'root ::= root "+" root | "a" | "(" root ")"',
                 'root ::= (x ("," x)*)?\nx ::= [0-9]+ # digits\n', 'root ::= s\ns ::= s s | "a" | ',
                 'root ::= "{" ws (string ":" ws root)? "}"\nstring ::= "\\"" [^"\\\\]* "\\""\nws ::= [ \\t\\n]*',
                 'root ::= .* "\\x0a"', 'root ::= "true" | "false" | "tr" "ue"{0,2}', 'root ::= "[" root* "]" | [a-c]{1,5}',
                 'root ::= x y\nx ::= | "a" x "b"\ny ::= | "b" y "a"']:
        corpus.accept("takes " + repr(text[:40]), text)
    for text in ["", "root ::= a", 'root ::= "a', "root ::= [b-a]", 'root ::= "\\q"', "root ::= *", 'root ::= "a"{3,1}', "root = 3",
                 'root ::= ("a"', "root ::= root", 'root ::= "a"\nroot ::= "b"', "root ::= <[1]>", 'root ::= "\\ud800"']:
        corpus.refuse("refuses " + repr(text[:40]), text, "expected", "ArgumentError")
    corpus.write()


# --- Requests to the server ---------------------------------------------------------------------------------------------

def make_request():
    corpus = Corpus("request")
    completion, chat, embedding, tokenize, detokenize = "01234"  # the first byte
    messages = '"messages":[{"role":"user","content":"Hi"}]'
    for path, body in [
            (completion, '{"prompt":"Once"}'), (completion, '{}'),
            (completion, '{"model":"any","prompt":["a","b"],"max_tokens":7,"n":3,"best_of":3,"temperature":0.5,"top_p":0.9,"seed":-1,"user":"x"}'),
            (completion, '{"prompt":[1,2,3],"echo":true,"logprobs":1,"max_tokens":1,"temperature":0}'),
            (completion, '{"prompt":[[1],[2,3]],"stop":["\\n\\n",""],"stream":true,"stream_options":{"include_usage":true}}'),
            (completion, '{"prompt":"","logit_bias":{"7":-100,"3071":1.5},"stop":"x","suffix":null,"logprobs":false,"max_tokens":-1}'),
            (completion, '{"prompt":"x","top_k":40,"min_p":0.05,"typical_p":0.9,"mirostat_tau":5,"mirostat_eta":0.1,"penalty_decay":0.9,"repetition_penalty":1.1,"no_repeat_ngram_size":3}'),
            (completion, '{"prompt":"x","return_state":true,"state":"AAEC/w==","presence_penalty":-2,"frequency_penalty":2,"stop_token_ids":[0,1]}'),
            (completion, '{"prompt":"x","grammar":"root ::= \\"a\\""}'),
            (completion, '{"prompt":"\\ud83d\\ude00\\u0000","regex":"[0-9]+","max_tokens":16.0,"state_picture":64}'),
            (chat, '{' + messages + '}'),
            (chat, '{"messages":[{"role":"system","content":"S"},{"role":"developer","content":null},{"role":"user","content":[{"type":"text","text":"a"},{"type":"refusal","refusal":"b"}]},'
                   '{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"4","tool_call_id":"1"}],"max_completion_tokens":9,"max_tokens":3}'),
            (chat, '{' + messages + ',"logprobs":true,"top_logprobs":20,"stream":false,"n":2}'),
            (chat, '{' + messages + ',"response_format":{"type":"json_object"}}'),
            (chat, '{' + messages + ',"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"b":{},"a":{}}}}}}'),
            (chat, '{' + messages + ',"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"f"}}}'),
            (chat, '{' + messages + ',"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"}'),
            (embedding, '{"input":"a","encoding_format":"base64","dimensions":240,"pooling":"last"}'),
            (embedding, '{"input":["a","b"],"encoding_format":"float","model":"m"}'),
            (embedding, '{"input":[[1,2],[3]]}'),
            (tokenize, '{"prompt":"a","add_special_tokens":false,"return_token_strs":true}'),
            (tokenize, '{"content":"a","with_pieces":true}'),
            (tokenize, '{' + messages + '}'),
            (detokenize, '{"tokens":[1,2,3.0]}'),
            (detokenize, '{"tokens":[]}')]:
        corpus.accept("takes " + path + body[:70] + str(len(body)), path + body)
    for path, body, message in [
            (completion, "", "JSON"), (completion, "[]", "object"), (completion, '{"prompt":[]}', "prompt"),
            (completion, '{"prompt":[1,"a"]}', "prompt"), (completion, '{"prompt":[3072]}', "3071"), (completion, '{"prompt":[1e99]}', "token ids"),
            (completion, '{"prompt":[-1]}', "token ids"), (completion, '{"prompt":{}}', "prompt"), (completion, '{"prompt":["a","b","c","d","e","f","g"]}', "at most 6"),
            (completion, '{"prompt":["a","b"],"n":4}', "n"), (completion, '{"prompt":"a","n":0}', "n"), (completion, '{"prompt":"a","best_of":2}', "best_of"),
            (completion, '{"prompt":"a","suffix":"b"}', "suffix"), (completion, '{"prompt":"a","temperature":-1}', "temperature"),
            (completion, '{"prompt":"a","temperature":1e400}', "JSON"), (completion, '{"prompt":"a","top_p":"1"}', "top_p"),
            (completion, '{"prompt":"a","stop":[1]}', "stop"), (completion, '{"prompt":"a","stop":[' + ",".join(['"x"'] * 17) + ']}', "at most 16"),
            (completion, '{"prompt":"a","logit_bias":{"x":1}}', "logit_bias"), (completion, '{"prompt":"a","logit_bias":{"1":101}}', "logit_bias"),
            (completion, '{"prompt":"a","state":"?"}', "base64"), (completion, '{"prompt":"a","state":"AAAA","echo":true}', "echo"),
            (completion, '{"prompt":"a","grammar":"a","regex":"b"}', "twice"), (completion, '{"prompt":"a"} x', "JSON"), (completion, '{"prompt":"\\ud800"}', "JSON"),
            (completion, '{"prompt":"a","logprobs":21}', "logprobs"), (completion, '{"prompt":"a","x":' + "[" * 70 + "]" * 70 + '}', "deep"),
            (chat, '{}', "messages"), (chat, '{"messages":[]}', "messages"), (chat, '{"messages":[{"role":"robot","content":"a"}]}', "role"),
            (chat, '{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}', "only text"), (chat, '{"messages":[1]}', "an object"),
            (chat, '{' + messages + ',"top_logprobs":2}', "logprobs"), (chat, '{' + messages + ',"response_format":{"type":"xml"}}', "type"),
            (chat, '{' + messages + ',"tools":[],"tool_choice":{"type":"function","function":{"name":"f"}}}', "no function"),
            (embedding, '{"input":"a","encoding_format":"hex"}', "float or base64"), (embedding, '{"input":"a","dimensions":3}', "240"),
            (tokenize, '{}', "prompt"), (detokenize, '{"tokens":"a"}', "array"), (detokenize, '{"tokens":["1"]}', "token ids")]:
        corpus.refuse("refuses " + path + body[:60] + str(len(body)), path + body, message, "ApiError")
    corpus.refuse("an error in a long token", completion + "{" + "\n" * 3000, "JSON", "ApiError")
    corpus.refuse("not UTF-8", b'0{"prompt":"\xff"}', "JSON", "ApiError")
    corpus.write()


make_json()
make_safetensors()
make_index()
make_config()
make_tokenizer_json()
make_world()
make_state()
make_text()
make_json_schema()
make_regex()
make_grammar()
make_request()


def make_matcher():
    """What tests/fuzz/fuzz_matcher.cpp reads: the number of a constraint, then steps and their arguments."""
    corpus = Corpus("matcher")
    for constraint in range(17):
        steps = [byte for i in range(1, 60) for byte in ((0, 3, 12, 6, 0, 15, 1)[i % 7], (i * 37 + constraint * 11) % 251)]
        corpus.accept(f"walk {constraint}", bytes([constraint] + steps))
    corpus.write()


make_matcher()
