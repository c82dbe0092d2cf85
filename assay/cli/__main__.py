"""`python -m assay.cli` is `assay`, and imports no file of the folder in which it is started either. Python itself has
read three modules of its library by then; `python -P -m assay.cli` keeps the folder out from the beginning."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]

from assay.cli import main

sys.exit(main())
