"""python -m tests.chaos [--size small|large] [--database postgresql|sqlite] [--seed N] [--manners RATE]
                  [--contacts N] [--keep]

Exits with 1 when a promise was broken, with 2 when it could not run.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.chaos.plan import SIZES
from tests.chaos.processes import environment
from tests.postgresql import Unavailable


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", allow_abbrev=False)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--seed", type=int, default=None, help="replays the injections of an earlier run")
    parser.add_argument("--manners", type=float, default=None, help="share of answers in odd manners (default: 0.3)")
    parser.add_argument("--contacts", type=int, default=None, help="another number of contacts than the size's")
    parser.add_argument("--keep", action="store_true", help="keep the logs of the processes")
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    sys.stdout.write(f"chaos: size {options.size}, {options.database}, seed {seed}\n")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the child processes are ended
    size = SIZES[options.size]
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="trunkline-chaos-"))
        if not options.keep:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        try:
            os.environ |= environment(stack, options.database, directory, alone=size.crashes > 0)
        except Unavailable as reason:
            sys.stdout.write(f"PostgreSQL cannot be used: {reason}\n")
            return 2
        import django

        django.setup()
        from tests.chaos.run import Run

        size = replace(
            size,
            manners=size.manners if options.manners is None else options.manners,
            contacts=options.contacts or size.contacts,
        )
        code = Run(stack, size, seed, directory).run()
        sys.stdout.write("Every promise was kept.\n" if code == 0 else "A PROMISE WAS BROKEN.\n")
        if code or options.keep:
            sys.stdout.write(
                f"To repeat: python -m tests.chaos --size {options.size} --contacts {size.contacts} "
                f"--manners {size.manners} --seed {seed} --keep\n"
            )
        return code


if __name__ == "__main__":
    sys.exit(main())
