"""A file says the country of each row: its numbers are never read as those of another country, in silence."""

from __future__ import annotations

import pytest

from tests.campaigns.reading import read


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Name;Country;Phone", "Zoé;Spain;612345678"),
        ("Name;Country;Phone", "Zoé;ES;612345678"),
        ("Nom;Téléphone;Pays", "Zoé;612345678;Espagne"),
        ("Name;Telefon;Ort;Land", "Zoé;612345678;Vigo;Spanien"),
        ("Nombre;País;Ciudad;Teléfono", "Zoé;España;Vigo;612345678"),
        ("First Name;Phone Number;City;Country/Region", "Zoé;612345678;Vigo;Spain"),
        ("country_code;name;phone", "34;Zoé;612345678"),
        ("Country code;Name;Phone", "ES;Zoé;612345678"),
    ],
)
def test_a_number_of_a_row_of_another_country_is_not_read_as_one_at_home(header: str, row: str) -> None:
    """612345678 is a mobile number in Spain and in France. Either it is Spain's, or the row is refused with both."""
    found = read(f"{header};x\n{row};y\n".encode())
    assert found.numbers in (["+34612345678"], [])
    if found.bad:
        assert "+34612345678" in found.bad[2]
        assert "+33612345678" in found.bad[2]


@pytest.mark.parametrize("country", ["France", "FR", "", "Frankreich"])
def test_a_number_of_a_row_at_home_is_read_as_before(country: str) -> None:
    found = read(f"Name;Country;Phone\nZoé;{country};612345678\nAda;{country};0612345679\n".encode())
    assert found.numbers == ["+33612345678", "+33612345679"]


@pytest.mark.parametrize("country", ["Spain", "ES"])
def test_a_number_that_says_its_country_is_believed_beside_another(country: str) -> None:
    found = read(f"Name;Country;Phone\nZoé;{country};+33612345678\nAda;{country};0033612345679\n".encode())
    assert found.numbers == ["+33612345678", "+33612345679"]
