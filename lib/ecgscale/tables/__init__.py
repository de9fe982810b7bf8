"""Anyone's tables, read as they are meant: text and numbers, names of columns, and what each column is for."""
