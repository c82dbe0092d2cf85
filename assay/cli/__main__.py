"""`python -m assay.cli` is `assay`: as there, no file of the folder in which it is started is imported."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]

from assay.cli import main

sys.exit(main())
