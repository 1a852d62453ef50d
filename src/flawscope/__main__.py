"""``python -m flawscope`` does what the command ``flawscope`` does."""

from __future__ import annotations

import sys

from flawscope.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
