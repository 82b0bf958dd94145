"""`python -m dbx_agent` is the command `dbx-agent`."""

import sys

from dbx_agent.cli import main

sys.exit(main())
