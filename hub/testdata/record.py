"""Writes testdata/cache with huggingface_hub, from a hub on loopback.

    MLXLENS_PYTHON=python3 go test ./hub -run TestRecordTheCache -record
"""

from huggingface_hub import snapshot_download

snapshot_download("someone/tiny")
snapshot_download("someone/tiny", revision="refs/pr/1")
snapshot_download("someone/config-only", allow_patterns=["config.json"])
snapshot_download("someone/by-commit", revision="2" * 40)
