"""The names of countries in many languages, from the tables of `phonenumbers`."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import cast

import phonenumbers


def names_in_languages() -> dict[str, dict[str, str]]:
    """Return country -> language -> name. `*fr` stands for the name in French, where both are written alike.

    The names alone are loaded: their package also loads the places of all numbers, 100 MB in each process.
    """
    path = Path(phonenumbers.__file__).with_name("geodata") / "locale.py"
    spec = spec_from_file_location("phonenumbers.geodata.locale", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"There are no names of countries in {path}.")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(dict[str, dict[str, str]], module.LOCALE_DATA)
