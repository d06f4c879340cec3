"""Arguments: scalars and what the standard library has."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Scalars, texts, times")
same, differ = GROUP.same, GROUP.differ

for value in ("None", "...", "True", "0", "-1", "2**63", "-(2**64)", "10**5000", "0.1", "-0.0", "1e-320", "math.inf", "-math.inf", "math.nan", "1j",
              "complex(math.nan, -0.0)", "''", "'é\\0\\ud800'", "'a' * 100_000", "b''", "b'\\xff' * 100_000", "bytearray(b'ab')",
              "NotImplemented"):  # fmt: skip
    same(f"{value} in two processes", value, value)
same("NaNs of other bits", "math.nan", "NAN")
same("an int by another way", "1000", "int('1000')")
differ("1 and 1.0", "1", "1.0")
differ("1 and True", "1", "True")
differ("0 and False", "0", "False")
differ("0 and None", "0", "None")
differ("1 and '1'", "1", "'1'")
differ("'a' and b'a'", "'a'", "b'a'")
differ("bytes and bytearray", "b'a'", "bytearray(b'a')")
differ("0.0 and -0.0", "0.0", "-0.0")
differ("1.0 and 1+0j", "1.0", "1 + 0j")
differ("complex zeros of other signs", "complex(0.0, 0.0)", "complex(0.0, -0.0)")
differ("floats, one bit apart", "0.1", "0.1 + 2**-56")
differ("2**63 and -2**63", "2**63", "-(2**63)")
differ("integers of 5000 digits, one apart", "10**5000", "10**5000 + 1")
differ("a text and one with a NUL", "'a'", "'a\\0'")
differ("texts that look alike: composed and not", "'\\xe9'", "'e\\u0301'")
differ("upper and lower case", "'a'", "'A'")
differ("a surrogate and its replacement", "'\\ud800'", "'?'")
differ("None and 'None'", "None", "'None'")
differ("an int and its subclass", "1", "MyInt(1)")
differ("a float and its subclass", "1.0", "MyFloat(1.0)")
differ("a text and its subclass", "'a'", "MyStr('a')")
differ("an int and an IntEnum", "1", "Level.LOW")
differ("a text and a StrEnum", "'a'", "Name.A")
differ("a bool and numpy's", "True", "np.True_")
differ("a float and numpy's", "1.0", "np.float64(1)")
same("range", "range(5)", "range(0, 5, 1)")
differ("range by its step", "range(0, 4, 2)", "range(0, 4, 3)")
differ("range and list", "range(3)", "[0, 1, 2]")
same("slice", "slice(1, 2)", "slice(1, 2, None)")
differ("slice by its step", "slice(1, 2)", "slice(1, 2, 1)")
same("Decimal", "Decimal('1.10')", "Decimal('1.10')")
differ("Decimal by its digits", "Decimal('1.1')", "Decimal('1.10')")
differ("Decimal and float", "Decimal('0.5')", "0.5")
differ("Decimal's NaNs", "Decimal('NaN')", "Decimal('sNaN')")
same("Fraction", "Fraction(1, 3)", "Fraction(2, 6)")
differ("Fraction", "Fraction(1, 3)", "Fraction(1, 4)")
differ("Fraction and int", "Fraction(1)", "1")
same("date", "date(2026, 1, 1)", "date(2026, 1, 1)")
differ("date and datetime", "date(2026, 1, 1)", "datetime.datetime(2026, 1, 1)")
differ("datetime with and without a zone", "datetime.datetime(2026, 1, 1)", "datetime.datetime(2026, 1, 1, tzinfo=UTC)")
differ(
    "one instant in two zones",
    "datetime.datetime(2026, 1, 1, 1, tzinfo=BERLIN)",
    "datetime.datetime(2026, 1, 1, 0, tzinfo=UTC)",
)
differ(
    "fold",
    "datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)",
    "datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)",
)
same(
    "datetime with a zone",
    "datetime.datetime(2026, 1, 1, tzinfo=BERLIN)",
    "datetime.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))",
)
differ("datetime by a microsecond", "datetime.datetime(2026, 1, 1)", "datetime.datetime(2026, 1, 1, 0, 0, 0, 1)")
same("timedelta", "timedelta(hours=24)", "timedelta(1)")
differ("timedelta", "timedelta(1)", "timedelta(-1)")
differ("time's zone", "time(1, tzinfo=UTC)", "time(1, tzinfo=timezone(timedelta(hours=1)))")
same("timezone", "timezone(timedelta(hours=1))", "timezone(timedelta(minutes=60))")
differ("timezone by its name", "timezone(timedelta(hours=1))", "timezone(timedelta(hours=1), 'CET')")
same("UUID", "uuid.UUID(int=5)", "uuid.UUID('00000000-0000-0000-0000-000000000005')")
differ("UUID", "uuid.UUID(int=5)", "uuid.UUID(int=6)")
same("Path", "Path('a/b')", "Path('a') / 'b'")
differ("Path and text", "Path('a')", "'a'")
differ("Path and PurePath", "Path('a')", "PurePosixPath('a')")
differ("paths of two systems", "PurePosixPath('a')", "PureWindowsPath('a')")
same("a compiled pattern", "re.compile('a+')", "re.compile('a+')")
differ("a pattern's text", "re.compile('a+')", "re.compile('a*')")
differ("a pattern's flags", "re.compile('a')", "re.compile('a', re.I)")
differ("a pattern of bytes", "re.compile('a')", "re.compile(b'a')")
same("an IP address", "ipaddress.ip_address('10.0.0.1')", "ipaddress.IPv4Address(167772161)")
differ("an IP address", "ipaddress.ip_address('10.0.0.1')", "ipaddress.ip_address('10.0.0.2')")
same("a zone", "BERLIN", "zoneinfo.ZoneInfo('Europe/Berlin')")
differ("a zone", "BERLIN", "zoneinfo.ZoneInfo('Europe/Paris')")
same("random.Random's state", "random.Random(1)", "random.Random(1)")
differ("random.Random's state", "random.Random(1)", "then(random.Random(1), lambda r: r.random())")
