#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# run_published.py with a Python that has numpy. usage: run.sh PTX_RUN FOLDER
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}") folder=$2
if [[ ! -e $folder/venv/ready ]]; then
  mkdir -p "$folder"
  python3 -m venv --clear "$folder/venv"
  "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy "setuptools>=84,<85"
  touch "$folder/venv/ready"
fi
exec "$folder/venv/bin/python" "$here/run_published.py" "$1" "$folder"
