"""Where interactions come from: files of sequences, tables, and public data sets."""
