#!/usr/bin/env python3
"""Writes ../fixtures/constraint/schemas.json: random schemas, each with instances and what jsonschema says of them.

    python3 -m venv venv && venv/bin/pip install jsonschema && venv/bin/python make_samples.py

Made with jsonschema 4.26.0. With a file as argument it checks the lines of that file instead, each a JSON list of a schema
and a text that is to be valid: what `RWKV_WALKS=FILE rwkv_test_constraint "[walks]"` writes.
"""
import json
import pathlib
import random
import sys

import jsonschema

HERE = pathlib.Path(__file__).parent
NAMES = ["a", "b", "key", "x y", "\u00e9", 'q"']
STRINGS = ["", "a", "ab", "xxx", "value", "\u00e9\u4e2d", 'with "quotes"', "tab\there", "back\\slash", "7"]
PATTERNS = ["^a", "b$", "^[a-z]+$", "^x{1,3}$", "\\d", "^(a|b|ab)$"]


def schema(r, depth):
    kinds = ["null", "boolean", "integer", "number", "string", "enum", "const", "true"]
    if depth > 0:
        kinds += ["object", "array", "anyOf", "allOf"] * 3 + ["types", "oneOf", "ref"]
    kind = r.choice(kinds)
    if kind == "true":
        return r.choice([True, {}])
    if kind in ("null", "boolean"):
        return {"type": kind}
    if kind == "types":
        return {**schema_of(r, r.choice(["integer", "string"]), depth), "type": r.sample(["integer", "string", "null", "array"], 2)}
    if kind == "enum":
        return {"enum": [value(r, 1) for _ in range(r.randint(1, 4))]}
    if kind == "const":
        return {"const": value(r, 1)}
    if kind in ("anyOf", "allOf"):
        return {kind: [schema(r, depth - 1) for _ in range(r.randint(1, 3))]}
    if kind == "oneOf":
        return {"oneOf": [schema_of(r, k, depth - 1) for k in r.sample(["integer", "number", "string", "object", "array"], 2)]}
    if kind == "ref":
        return {"$ref": "#/$defs/tree"}
    return schema_of(r, kind, depth)


def schema_of(r, kind, depth):
    s = {"type": kind}

    def maybe(keyword, make, chance=0.4):
        if r.random() < chance:
            s[keyword] = make()

    if kind in ("integer", "number"):
        maybe("minimum", lambda: r.choice([-12, -1, 0, 3, 1.5, 10]))
        maybe("maximum", lambda: r.choice([20, 9, 100, 12.5, 1]))
        maybe("exclusiveMinimum", lambda: r.choice([-5, 0, 2.25]), 0.15)
        maybe("exclusiveMaximum", lambda: r.choice([7, 50.5]), 0.15)
        maybe("multipleOf", lambda: r.choice([2, 3, 5, 7] if kind == "integer" else [2, 3, 0.5, 0.25]), 0.25)
    elif kind == "string":
        maybe("minLength", lambda: r.randint(0, 3))
        maybe("maxLength", lambda: r.randint(2, 6))
        maybe("pattern", lambda: r.choice(PATTERNS))
    elif kind == "array":
        maybe("items", lambda: schema(r, depth - 1), 0.7)
        maybe("prefixItems", lambda: [schema(r, depth - 1) for _ in range(r.randint(1, 2))], 0.25)
        maybe("minItems", lambda: r.randint(0, 2))
        maybe("maxItems", lambda: r.randint(1, 4))
    elif kind == "object":
        names = r.sample(NAMES, r.randint(0, 4))
        s["properties"] = {name: schema(r, depth - 1) for name in names}
        maybe("required", lambda: r.sample(names, r.randint(0, len(names))), 0.6)
        maybe("additionalProperties", lambda: r.choice([False, False, True, schema(r, depth - 1)]), 0.6)
        maybe("patternProperties", lambda: {r.choice(["^k", "y$", "^[a-z]$"]): schema(r, depth - 1)}, 0.2)
        maybe("propertyNames", lambda: r.choice([{"maxLength": 3}, {"enum": NAMES[:4]}, {"pattern": "^[a-z]"}]), 0.15)
        maybe("maxProperties", lambda: r.randint(1, 3), 0.15)
    return s


def value(r, depth):
    kind = r.choice(["null", "bool", "int", "int", "float", "string", "string"] + (["array", "object"] if depth > 0 else []))
    if kind == "null":
        return None
    if kind == "bool":
        return r.random() < 0.5
    if kind == "int":
        return r.randint(-15, 30)
    if kind == "float":
        return r.choice([0.5, 2.25, -1.75, 12.5, 99.99])
    if kind == "string":
        return r.choice(STRINGS)
    if kind == "array":
        return [value(r, depth - 1) for _ in range(r.randint(0, 3))]
    return {name: value(r, depth - 1) for name in r.sample(NAMES, r.randint(0, 3))}


def instance(r, s, root, depth):
    """A value that is perhaps valid."""
    if depth == 0 or not isinstance(s, dict) or r.random() < 0.06:
        return value(r, 1)
    if "$ref" in s:
        return instance(r, root["$defs"]["tree"], root, depth - 1)
    if "const" in s:
        return s["const"]
    if "enum" in s:
        return r.choice(s["enum"])
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in s:
            return instance(r, r.choice(s[keyword]), root, depth)
    kind = s.get("type")
    kind = r.choice(kind) if isinstance(kind, list) else kind
    if kind in ("integer", "number"):
        low, high = int(s.get("minimum", -20)), int(s.get("maximum", 40))
        number = r.randint(min(low, high) - 1, high + 1)
        return number if kind == "integer" or r.random() < 0.5 else number + r.choice([0.25, 0.5, 0.125])
    if kind == "string":
        return r.choice(STRINGS + ["xx", "b", "a1b"])
    if kind == "array":
        first = s.get("prefixItems", [])
        count = r.randint(s.get("minItems", 0), s.get("maxItems", 3)) if s.get("minItems", 0) <= s.get("maxItems", 3) else 1
        return [instance(r, first[i] if i < len(first) else s.get("items", True), root, depth - 1) for i in range(count)]
    if kind == "object":
        result = {}
        for name, part in s.get("properties", {}).items():
            if name in s.get("required", []) or r.random() < 0.5:
                result[name] = instance(r, part, root, depth - 1)
        if r.random() < 0.3:
            result.setdefault(r.choice(NAMES + ["zz", "ky"]), instance(r, s.get("additionalProperties", True), root, depth - 1))
        return result
    return {"null": None, "boolean": r.random() < 0.5}.get(kind, value(r, 1))


def main():
    if len(sys.argv) > 1:
        lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").strip("\n").split("\n")
        for line in lines:
            s, text = json.loads(line)
            jsonschema.Draft202012Validator(s).validate(json.loads(text))
        print(f"{len(lines)} texts are valid")
        return
    r = random.Random(4)
    rows = []
    tree = {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}},
            "required": ["v"], "additionalProperties": False}
    while len(rows) < 260:
        s = schema(r, 3)
        text = json.dumps(s)
        if not isinstance(s, dict) or len(text) > 900:
            continue
        if "$ref" in text:
            s = {"$defs": {"tree": tree}, **s}
        validator = jsonschema.Draft202012Validator(s)
        seen = {}
        for _ in range(60):
            candidate = instance(r, s, s, 6)
            key = json.dumps(candidate, separators=(",", ":"), ensure_ascii=False)
            if len(key) < 160:
                seen[key] = validator.is_valid(candidate)
        valid = [key for key, verdict in seen.items() if verdict][:4]
        invalid = [key for key, verdict in seen.items() if not verdict][:5]
        if valid:
            rows.append({"schema": s, "valid": valid, "invalid": invalid})
    directory = HERE.parent / "fixtures" / "constraint"
    directory.mkdir(exist_ok=True)
    (directory / "schemas.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(f"{len(rows)} schemas, {sum(len(row['valid']) for row in rows)} valid and "
          f"{sum(len(row['invalid']) for row in rows)} invalid instances")


if __name__ == "__main__":
    main()
