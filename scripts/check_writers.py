"""Small tables written by pandas, polars, DuckDB and others in their default settings, read by `recotem inspect`.

Usage: check_writers.py RECOTEM FOLDER. Whatever is written has to be read to the same rows, or be refused or noted in words.
"""

import json
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.parquet

RECOTEM, FOLDER = sys.argv[1], Path(sys.argv[2])

USERS = ["007", "Sigur Rós", 'say "hi"', "a,b", "tab\there", "two\nlines", "back\\slash", "世界", "NULLs", "x;y|z"]
ITEMS = ["i0", "i,1", 'i"2', "i\t3", "i4", "i5", "i\\6", "i7", "i 8", "i9"]
SECONDS = [1_577_923_200 + 3_600 * row for row in range(len(USERS))]
MOMENTS = [datetime.fromtimestamp(second, timezone.utc).replace(tzinfo=None) for second in SECONDS]
ROWS = [(user, item, second * 1_000_000) for user, item, second in zip(USERS, ITEMS, SECONDS, strict=True)]

failures = []


def inspect(path, *arguments):
    command = [RECOTEM, "inspect", path, "--user-column", "user", "--item-column", "item", "--rows", "1000", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip()}


def check(path, expected=ROWS):
    found = inspect(path, "--time-column", "time")
    rows = [(row["user"], row["item"], row["time"]) for row in found.get("rows", [])]
    if rows == expected:
        print(f"ok       {path.name}")
    else:
        failures.append(path.name)
        wrong = next((pair for pair in zip(rows, expected, strict=False) if pair[0] != pair[1]), None)
        print(f"FAILED   {path.name}: {found.get('error')}, {len(rows)} rows, first difference {wrong}, notes {found.get('notes')}")


def expect(name, condition, found):
    print(f"{'ok      ' if condition else 'FAILED  '} {name}")
    if not condition:
        failures.append(name)
        print(f"         {found}")


def with_pandas():
    for kind, times in [("seconds", SECONDS), ("moments", MOMENTS)]:
        frame = pandas.DataFrame({"user": USERS, "item": ITEMS, "time": times})
        path = lambda end, kind=kind: FOLDER / f"pandas-{kind}.{end}"  # noqa: E731
        frame.to_csv(path("csv"), index=False)
        check(path("csv"))
        frame.to_csv(path("with-index.csv"))
        check(path("with-index.csv"))
        frame.to_csv(path("tsv"), index=False, sep="\t")
        check(path("tsv"))
        frame.to_csv(path("semicolons.csv"), index=False, sep=";")
        check(path("semicolons.csv"))
        frame.to_csv(path("excel.csv"), index=False, encoding="utf-8-sig", lineterminator="\r\n")
        check(path("excel.csv"))
        frame.to_csv(path("unicode-text.tsv"), index=False, encoding="utf-16", sep="\t", lineterminator="\r\n")
        check(path("unicode-text.tsv"))
        for packing in ["gz", "bz2", "xz", "zip"]:
            frame.to_csv(path(f"csv.{packing}"), index=False)
            check(path(f"csv.{packing}"))
        frame.to_json(path("json"))
        check(path("json"))
        frame.to_json(path("records.json"), orient="records")
        check(path("records.json"))
        frame.to_json(path("jsonl"), orient="records", lines=True)
        check(path("jsonl"))
        for codec in ["snappy", "gzip", "brotli", "lz4", "zstd", None]:
            frame.to_parquet(path(f"{codec}.parquet"), compression=codec)
            check(path(f"{codec}.parquet"))


def with_polars():
    for kind, times in [("seconds", SECONDS), ("moments", MOMENTS)]:
        frame = polars.DataFrame({"user": USERS, "item": ITEMS, "time": times})
        path = lambda end, kind=kind: FOLDER / f"polars-{kind}.{end}"  # noqa: E731
        frame.write_csv(path("csv"))
        check(path("csv"))
        frame.write_json(path("json"))
        check(path("json"))
        frame.write_ndjson(path("ndjson"))
        check(path("ndjson"))
        frame.write_parquet(path("parquet"))
        check(path("parquet"))


def with_duckdb():
    for kind, times in [("seconds", SECONDS), ("moments", MOMENTS)]:
        table = pandas.DataFrame({"user": USERS, "item": ITEMS, "time": times})
        base = duckdb.connect()
        base.register("interactions", table)
        for end in ["csv", "json", "parquet"]:
            path = FOLDER / f"duckdb-{kind}.{end}"
            base.execute(f"copy interactions to '{path}'")
            check(path)
        path = FOLDER / f"duckdb-{kind}.array.json"
        base.execute(f"copy interactions to '{path}' (format json, array true)")
        check(path)


def escaped(value, letters):
    value = value.replace("\\", "\\\\")
    for plain, letter in [("\t", "t"), ("\n", "n")]:
        value = value.replace(plain, "\\" + (letter if letters else plain))
    return value


def of_databases():
    """Writes files as MySQL, PostgreSQL and Hive do; there are no Python packages of them."""
    for name, letters in [("mysql-outfile", False), ("postgresql-copy", True)]:
        lines = ["user\titem\ttime"]
        lines += ["\t".join([escaped(u, letters), escaped(i, letters), str(s)]) for u, i, s in zip(USERS, ITEMS, SECONDS, strict=True)]
        path = FOLDER / f"{name}.tsv"
        path.write_bytes(("\n".join([*lines, "\\N\ti\t1577923200"]) + "\n").encode())
        check(path)


def kinds_of_notes(found):
    return {(note["kind"], note["column"], note["guess"]) for note in found.get("notes", [])}


def columns():
    """Checks the decisions about columns, and the refusals."""
    path = FOLDER / "whole.parquet"
    pandas.DataFrame({"user": [1.0, None, 3.0], "item": [Decimal("1.00"), Decimal("2.00"), Decimal("3.00")]}).to_parquet(path)
    found = inspect(path)
    rows = [(row["user"], row["item"]) for row in found.get("rows", [])]
    expect("whole numbers", rows == [("1", "1"), ("3", "3")], found)
    expect("whole numbers are noted", ("ids_read_as_whole_numbers", "user", None) in kinds_of_notes(found), found)

    path = FOLDER / "uuids.parquet"
    ids = [uuid.UUID(int=n) for n in range(3)]
    pyarrow.parquet.write_table(
        pyarrow.table({"user": pyarrow.array([i.bytes for i in ids], pyarrow.binary(16)), "item": ["a", "b", "c"]}), path
    )
    expect("UUIDs", [row["user"] for row in inspect(path).get("rows", [])] == [str(i) for i in ids], inspect(path))
    path = FOLDER / "duckdb-uuids.parquet"
    duckdb.connect().execute(f"copy (select '{ids[1]}'::uuid as \"user\", 'a' as item) to '{path}'")
    expect("UUIDs of DuckDB", [row["user"] for row in inspect(path).get("rows", [])] == [str(ids[1])], inspect(path))

    tags = {"item": ["a", "b"], "tags": [["War", "Drama"], []]}
    for name, write in [("pandas", pandas.DataFrame(tags).to_parquet), ("polars", polars.DataFrame(tags).write_parquet)]:
        path = FOLDER / f"{name}-lists.parquet"
        write(path)
        found = inspect(path, "--items")
        expect(f"lists of {name}", [row["values"] for row in found.get("rows", [])] == [{"tags": ["War", "Drama"]}, {"tags": []}], found)
    path = FOLDER / "structs.parquet"
    polars.DataFrame({"item": ["a"], "maker": [{"name": "x"}]}).write_parquet(path)
    found = inspect(path, "--items")
    expect("structs are named", "\"maker\" holds structs" in found.get("error", ""), found)

    path = FOLDER / "days.csv"
    polars.DataFrame({"user": ["a"], "item": ["b"], "time": [20200102]}).write_csv(path)
    found = inspect(path, "--time-column", "time")
    expect("dates in digits", [row["time"] for row in found.get("rows", [])] == [1_577_923_200_000_000], found)
    expect("dates in digits are noted", ("times_read", "time", "year_month_day") in kinds_of_notes(found), found)


with_pandas()
with_polars()
with_duckdb()
of_databases()
columns()
if failures:
    sys.exit(f"{len(failures)} failed: {', '.join(failures)}")
