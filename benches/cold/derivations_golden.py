"""Prints what pandas makes of awkward values by each derivation of feature specs, for the tests of features:
python benches/cold/derivations_golden.py > crates/ml/tests/golden/derivations.json
"""

import json

import numpy as np
import pandas as pd

SETTINGS = {
    "wanted": "the different results of each value in rising order, none where it is missing",
    "refused": "values of which pandas makes no finite number or date either",
}
# The moment of training.
NOW = pd.Timestamp("2024-03-01T00:00:00Z")
# Texts that stand for a missing number or date.
MISSING = ["", "n/a", "N/A", "null", "None", "-", "?"]

TEXTS = [
    "Toy Story (1995)",
    "千と千尋の神隠し (2001)",
    "シャンプー 250 ml",
    "ｼｬﾝﾌﾟｰ ２５０ ml",
    "Shampoo 1000 ml (1995) 30 ml",
    "  blanks  (2020)  ",
    "(12345)",
    "()",
    "( )",
    "naïve café – 5 ml",
    "👩‍👩‍👧 (1999)",
    "no number",
    "",
    "   ",
    None,
    "NaN",
    "inf",
    "-7 ml",
]
LISTS = ["a;b;c", " a ; b ;; c ", "東京;京都; 東京", "・", "家電・カメラ・家電", ";", ";;", "", None, "a", "a;a;a", "inf;NaN;-1", "a:;b", "é;e\u0301"]
NUMBERS = [0, 1, -1, 0.1, 0.3, 0.30000000000000004, 2.5, -2.5, 1e-300, 1e15, 123456789, -0.0, "7", " 7.5 ", "+3", "1e3", "-4", "", "n/a", "-", "?", None]
NOT_NUMBERS = ["NaN", "inf", "-inf", "Infinity", "1e400", "一", "cheap", "1,000", "0x10"]
DATES = [
    "2024-02-29",
    "2024-03-01",
    "2024-03-02",
    "1995-01-31T12:30:00Z",
    "1995-01-31T12:30:00+09:00",
    "1995-01-31T12:30:00-04:30",
    "1995-01-31T12:30:00.125+0530",
    "2024-02-29 23:59:59.999999",
    "2024-03-01T08:59:00+09:00",
    "1969-12-31",
    "1900-03-01",
    "1600-02-29",
    "2999-12-31",
    "",
    "n/a",
    None,
]
NOT_DATES = ["2023-02-29", "1995-13-01", "2024-03-01T24:30:00Z", "令和5年1月1日", "2024年03月01日", "soon", "NaT?", "inf"]
LEFT = ["Lamp", "ランプ", "a;b", "a;b", "", None, "x", " y ", "×", "NaN"]
RIGHT = ["red", "赤", "1;2", "", "red", "red", None, "  ", "×", "inf"]


def sorted_results(lists):
    return [sorted(set(values)) for values in lists]


def texts(series):
    """Returns texts without the blanks around them; those with nothing else are missing."""
    stripped = series.astype("object").str.strip()
    return stripped.where(stripped != "", None)


def kept(series):
    """Returns the values of each row that are not missing."""
    return [[] if pd.isna(value) else [value] for value in series]


def extracted(column, pattern):
    return kept(texts(texts(column).str.extract(pattern, expand=False)))


def divided(column, separator):
    parts = texts(texts(column).str.split(separator, regex=False).explode())
    return [list(parts.loc[[row]].dropna()) for row in column.index]


def numbers(column):
    named = column.map(lambda value: value.strip() if isinstance(value, str) else value)
    return pd.to_numeric(named.map(lambda value: None if value in MISSING else value)).astype("float64")


def buckets(values, width):
    # Adding zero makes a positive zero of a negative one.
    return kept(np.floor(values / width) * width + 0.0)


def moments(column):
    named = column.map(lambda value: None if value in MISSING else value)
    return [pd.to_datetime(value, utc=True, format="ISO8601") for value in named]


def ages(column):
    return [[] if pd.isna(moment) else [(NOW - moment) / pd.Timedelta(days=1)] for moment in moments(column)]


def is_refused(read, value):
    try:
        return not np.isfinite(read(pd.Series([value], dtype="object")).iloc[0])
    except (ValueError, OverflowError):
        return True


def case(name, derive, column, wanted, other=None, refused=()):
    print_of = {"name": name, "derive": derive, "column": list(column), "wanted": sorted_results(wanted), "refused": list(refused)}
    return print_of | ({} if other is None else {"other": list(other)})


def main():
    text, lists = pd.Series(TEXTS, dtype="object"), pd.Series(LISTS, dtype="object")
    number, date = pd.Series(NUMBERS, dtype="object"), pd.Series(DATES, dtype="object")
    left, right = pd.Series(LEFT, dtype="object"), pd.Series(RIGHT, dtype="object")
    not_numbers = [value for value in NOT_NUMBERS if is_refused(numbers, value)]
    not_dates = [value for value in NOT_DATES if is_refused(lambda column: pd.Series([moments(column)[0].timestamp()]), value)]
    assert not_numbers == NOT_NUMBERS and not_dates == NOT_DATES, (not_numbers, not_dates)
    whole = numbers(number)
    pairs = [[f"{a} × {b}" for a in one for b in other] for one, other in zip(divided(left, ";"), kept(texts(right)))]
    cases = [
        case("extract a group", [{"extract": {"pattern": r"\((\d{4})\)"}}], text, extracted(text, r"\((\d{4})\)")),
        case("extract the match", [{"extract": {"pattern": r"-?\d+ ml"}}], text, extracted(text, r"(-?\d+ ml)")),
        case("extract katakana", [{"extract": {"pattern": "[ァ-ヺー]+"}}], text, extracted(text, "([ァ-ヺー]+)")),
        case("extract an optional group", [{"extract": {"pattern": r"\(([ \d]*)\)"}}], text, extracted(text, r"\(([ \d]*)\)")),
        case("split at a character", [{"split": {"separator": ";"}}], lists, divided(lists, ";")),
        case("split at a Japanese dot", [{"split": {"separator": "・"}}], lists, divided(lists, "・")),
        case("split at two characters", [{"split": {"separator": ":;"}}], lists, divided(lists, ":;")),
        case("bucket of 5", [{"bucket": {"width": 5}}], number, buckets(whole, 5.0), refused=not_numbers),
        case("bucket of a tenth", [{"bucket": {"width": 0.1}}], number, buckets(whole, 0.1), refused=not_numbers),
        case("log", ["log"], number.where(~(whole < 0), None), kept(np.log1p(whole.where(~(whole < 0)))), refused=[*not_numbers, -1, "-0.5"]),
        case("age", ["age"], date, ages(date), refused=not_dates),
        case("cross", [{"split": {"separator": ";"}}, {"cross": {"with": "other"}}], left, pairs, other=right),
    ]
    parts = {
        "generator": json.dumps(f"pandas {pd.__version__}"),
        "settings": json.dumps(SETTINGS),
        "now_micros": json.dumps(NOW.value // 1000),
        "cases": "[\n  " + ",\n  ".join(json.dumps(one, ensure_ascii=False, allow_nan=False) for one in cases) + "\n ]",
    }
    print("{\n" + ",\n".join(f' "{name}": {value}' for name, value in parts.items()) + "\n}")


main()
