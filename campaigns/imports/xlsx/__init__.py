"""Read XLSX workbooks row by row, within limits of size and depth. Pure: no database."""
