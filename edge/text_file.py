"""Text files as operators' programs save them: UTF-8 or UTF-16, with or without a byte order mark."""

import codecs
from pathlib import Path

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def read_text(file: Path) -> str:
    """Return the text, line ends as "\\n"; OSError, or ValueError where it is neither encoding."""
    data = file.read_bytes()
    for mark, encoding in MARKS:
        if data.startswith(mark):
            data, used = data[len(mark) :], encoding
            break
    else:
        used = "utf-8"
    try:
        text = data.decode(used)
    except UnicodeDecodeError as error:
        rule = f"line {data[: error.start].count(10) + 1}: is not {used.upper()}"
        raise ValueError(f'{rule}: save it as UTF-8 (of a table: "CSV UTF-8")') from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
