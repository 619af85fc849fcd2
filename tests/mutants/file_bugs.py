"""Deliberate bugs in the reading of files: whoever asked not to be called is called, or somebody else is."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

WORKBOOKS = "tests/campaigns/test_import_other_workbooks.py::"
BATCHES = "tests/campaigns/test_import_batches.py::"
ROWS = "tests/campaigns/test_import_rows.py::"
UPSERT = "tests/campaigns/test_import_upsert.py::"
ROUND_TRIPS = "tests/campaigns/test_round_trips.py::"

FILE_BUGS: tuple[Bug, ...] = (
    Bug(
        "an error in a cell of a workbook is an empty cell",
        "The do-not-call column of a contact is #N/A, and the contact is called.",
        (Edit("campaigns/imports/workbooks/child.py", "fault = fault or mark.fault", 'fault = ""'),),
        (WORKBOOKS + "test_a_cell_with_an_error_is_a_fault_of_its_row_and_not_empty",),
    ),
    Bug(
        "our own list of contacts is read like any file",
        "A contact's row reaches another one, who has the same mobile number as the first one.",
        (
            Edit(
                "campaigns/imports/rows.py",
                "read_numbers = numbers_in_order if columns.ours else numbers_of",
                "read_numbers = numbers_of",
            ),
        ),
        (ROUND_TRIPS + "test_the_contacts_come_back_unchanged",),
    ),
    Bug(
        "a row that waits for its column is lost",
        "The first row with digits of two readings in a batch that is read ahead is in no list and in no file.",
        (Edit("campaigns/imports/batches.py", "            self._waiting = row\n", ""),),
        (BATCHES + "test_rows_are_read_beside_and_a_whole_column_is_not",),
    ),
    Bug(
        "a new contact that comes twice in a batch forgets its first row",
        "The numbers and texts of the first row are not merged with those of the second.",
        (Edit("campaigns/imports/upsert.py", "Held.of(first or row, ", "Held.of(row, "),),
        (BATCHES + "test_the_size_of_a_batch_and_deaths_change_nothing",),
    ),
    Bug(
        "a batch keeps the image of an earlier one",
        "The undo gives back what the file itself had written before.",
        (
            Edit(
                "campaigns/imports/persons.py",
                "images[known.contact_id] = joined((known.before",
                "_ = joined((known.before",
            ),
        ),
        (BATCHES + "test_the_size_of_a_batch_and_deaths_change_nothing",),
    ),
    Bug(
        "a mark is not looked at in a row that is read at once",
        "A row that asks not to call is imported as if it did not.",
        (Edit("campaigns/imports/columns.py", "empty = (*self.do_not_call, *(", "empty = (*(), *("),),
        (ROWS + "test_rows_that_are_read_at_once_are_what_the_thorough_reading_makes_of_them",),
    ),
    Bug(
        "the row that the database refuses is in no list",
        "A batch is split down to the row, which is neither imported nor among the rejected ones.",
        (
            Edit(
                "campaigns/imports/upsert.py",
                "else Written(refused={part[0].line: NOT_STORED})",
                "else Written()",
            ),
        ),
        (UPSERT + "test_a_row_that_the_database_refuses_takes_no_other_row_with_it",),
    ),
    Bug(
        "half of a batch is lost when the database refuses a row",
        "The contacts of the other half are missing, and the import says that it is completed.",
        (
            Edit(
                "campaigns/imports/upsert.py",
                "for part in (rows[:half], rows[half:]) if half else (rows,):",
                "for part in (rows[:half],) if half else (rows,):",
            ),
        ),
        (UPSERT + "test_a_row_that_the_database_refuses_takes_no_other_row_with_it",),
    ),
)
