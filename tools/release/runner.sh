#!/bin/sh
# Gives a CI runner what `make run` would install as root on Debian and Ubuntu: a fast BLAS.
set -eu
sudo apt-get update -qq
sudo apt-get install -y -qq --no-install-recommends libopenblas0-pthread
