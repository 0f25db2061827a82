# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`python -m ptq_export`, the same as `ptq-export`."""
import sys

from ptq_export.cli import main

sys.exit(main())
