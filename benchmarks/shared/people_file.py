"""A CSV file of people as customers have them: number, name, four columns, 2 % of the numbers wrong."""

from __future__ import annotations

from pathlib import Path

HEADER = "phone,name,city,appointment,product,agent"
AREAS = ("212", "312", "415", "512", "617", "702", "206", "305", "404", "816")
WRITTEN = ("({a}) {b}-{c}", "{a}-{b}-{c}", "+1 {a} {b} {c}", "{a}{b}{c}", "1-{a}-{b}-{c}")
BAD = 50  # one row of so many
WRONG = ("12", "555-01", "(999) 123-45678901", "unknown")


def write(path: Path, rows: int, *, clean: bool = False) -> int:
    """Write the file, without wrong numbers if `clean`. Return the number of its rows with a valid number."""
    bad = 0
    with path.open("w") as file:
        file.write(HEADER + "\n")
        for number in range(rows):
            local = str(2_000_000 + number // 10)
            words = WRITTEN[number % 7 % len(WRITTEN)]
            phone = words.format(a=AREAS[number % 10], b=local[:3], c=local[3:])
            if not clean and number % BAD == BAD - 1:
                phone, bad = WRONG[number // BAD % len(WRONG)], bad + 1
            others = f"City {number % 99},Monday {number % 12}:30,P-{number % 7},Agent {number % 31}"
            file.write(f"{phone},Ada {number},{others}\n")
    return rows - bad
