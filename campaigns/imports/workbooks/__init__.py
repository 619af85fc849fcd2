"""Read workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) in a child process with limits. Pure: no database."""
