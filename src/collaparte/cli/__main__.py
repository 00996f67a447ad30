"""``python -m collaparte.cli``: the front door where the script is not on the path."""

import sys

from collaparte.cli import main

sys.exit(main())
