#!/usr/bin/env python3
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["demo"]:
        from config.demo.environment import prepare

        prepare(sys.argv[2:])
    from django.core.management import execute_from_command_line

    from config import starting
    from config.logs import mask_uncaught

    mask_uncaught()
    starting.read_settings()
    starting.check_command(sys.argv)
    execute_from_command_line(sys.argv)
