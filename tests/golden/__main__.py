"""`python -m tests.golden`: record the stories that have no history yet."""

import sys

from tests.golden.recording import HISTORIES, record_missing

made = record_missing()
for file in made:
    sys.stdout.write(f"recorded {file.relative_to(HISTORIES)}\n")
sys.stdout.write(f"{len(made)} new histories; those that were there are as they were\n")
